// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bench} from "./support/Bench.sol";
import {vm} from "./support/Vm.sol";
import {TypeHashes} from "../src/libraries/TypeHashes.sol";
import {OpenTerms} from "../src/types/OpenTerms.sol";
import {BasicParams, Signature} from "../src/types/Structs.sol";

/// @title Every function written in assembly gives what its plain form gives (ADR-0010).
contract DigestsTest {
    Bench private bench = new Bench();
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function testFuzz_params_are_read_as_solidity_reads_them(BasicParams calldata p) public view {
        vm.assertEq(abi.encode(bench.fields(p)), abi.encode(p));
        vm.assertEq(bench.basic(p), keccak256(abi.encode(TypeHashes.BASIC_PARAMS, p)));
    }

    function testFuzz_unfit_parties_are_those_of_the_rule(uint8[4] calldata small, uint8 self) public view {
        BasicParams memory p;
        (p.alice, p.bob) = (address(uint160(small[0] % 4)), address(uint160(small[1] % 4)));
        (p.aliceOwner, p.bobOwner) = (address(uint160(small[2] % 4)), address(uint160(small[3] % 4)));
        address contract_ = address(uint160(self % 4) + 1);
        bool missing =
            p.alice == address(0) || p.bob == address(0) || p.aliceOwner == address(0) || p.bobOwner == address(0);
        bool bad = missing || p.alice == p.bob || p.aliceOwner == contract_ || p.bobOwner == contract_;
        vm.assertTrue(bench.unfit(p, contract_) == bad);
    }

    function testFuzz_a_word_wider_than_its_field_is_refused(uint256 dirt, uint256 field) public view {
        uint256[7] memory bits = [uint256(160), 160, 160, 160, 160, 32, 40];
        field %= 7;
        dirt = dirt >> bits[field] << bits[field];
        vm.assume(dirt != 0);
        BasicParams memory p;
        bytes memory call_ = abi.encodeCall(Bench.basic, (p));
        (bool clean,) = address(bench).staticcall(call_);
        assembly {
            mstore(add(call_, add(36, mul(32, field))), dirt)
        }
        (bool dirty,) = address(bench).staticcall(call_);
        vm.assertTrue(clean && !dirty);
    }

    function testFuzz_digests_are_those_of_abi_encode(bytes32 id, bytes32 hash, uint256 word, int128 net, uint64 until)
        public
        view
    {
        OpenTerms terms = OpenTerms.wrap(word);
        vm.assertEq(bench.typed(id, hash), keccak256(abi.encodePacked(hex"1901", id, hash)));
        bytes memory open = abi.encode(TypeHashes.OPEN, id, uint96(word >> 160), uint96(word >> 64), uint64(word));
        vm.assertEq(bench.open(id, terms), keccak256(open));
        vm.assertEq(bench.close(id, net, until), keccak256(abi.encode(TypeHashes.CLOSE, id, net, until)));
    }

    function testFuzz_recover_is_ecrecover_for_low_s(uint256 key, bytes32 digest) public view {
        key = key % (ORDER - 1) + 1;
        (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
        vm.assertEq(bench.recover(digest, Signature(r, vs)), vm.addr(key));
    }

    function testFuzz_recover_agrees_with_ecrecover_on_any_bytes(bytes32 digest, bytes32 r, uint256 s, bool odd)
        public
        view
    {
        s = s >> 1;
        bytes32 vs = bytes32(s | (odd ? uint256(1) << 255 : 0));
        address expected = s > ORDER / 2 ? address(0) : ecrecover(digest, odd ? 28 : 27, r, bytes32(s));
        vm.assertEq(bench.recover(digest, Signature(r, vs)), expected);
    }

    function test_recover_refuses_the_edges() public view {
        bytes32 digest = keccak256("edges");
        (bytes32 r,) = vm.signCompact(1, digest);
        vm.assertEq(bench.recover(digest, Signature(r, 0)), address(0));
        vm.assertEq(bench.recover(digest, Signature(0, bytes32(uint256(1)))), address(0));
        vm.assertEq(bench.recover(digest, Signature(bytes32(ORDER), bytes32(uint256(1)))), address(0));
        vm.assertEq(bench.recover(digest, Signature(r, bytes32(ORDER / 2 + 1))), address(0));
        vm.assertTrue(bench.recover(digest, Signature(r, bytes32(ORDER / 2))) != address(0));
    }
}
