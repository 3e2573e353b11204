// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm} from "./support/Vm.sol";
import {ChannelWord, packChannel} from "../src/types/ChannelWord.sol";
import {CheckpointWord, RegisterWord, startRegisters} from "../src/types/DisputeWords.sol";
import {OpenTerms} from "../src/types/OpenTerms.sol";
import {VaultWord} from "../src/types/VaultWord.sol";

/// @title What is put into a word comes out of it, and nothing leaks into its neighbours.
contract WordsTest {
    function testFuzz_channel(uint96 total, int128 base, uint24 nonce, uint8 status, uint8 next) public pure {
        ChannelWord word = packChannel(total, base, nonce, status).withStatus(next);
        vm.assertEq(word.total(), total);
        vm.assertEq(word.base(), base);
        vm.assertEq(word.withdrawNonce(), nonce);
        vm.assertEq(word.status(), next);
        bytes memory packed = abi.encodePacked(total, base, nonce, next);
        vm.assertEq(ChannelWord.unwrap(word), uint256(bytes32(packed)));
    }

    function testFuzz_split_gives_all_and_no_more(uint96 total, int256 claim) public pure {
        (uint256 toAlice, uint256 toBob) = packChannel(total, 0, 0, 1).split(claim);
        vm.assertEq(toAlice + toBob, total);
        if (claim <= 0) vm.assertEq(toAlice, 0);
        else vm.assertEq(toAlice, uint256(claim) < total ? uint256(claim) : total);
    }

    function testFuzz_registers(uint32 until, uint96 ab, uint96 ba) public pure {
        RegisterWord word = startRegisters(until).withVouchers(ab, ba);
        bytes memory packed = abi.encodePacked(ab, ba, until, until);
        vm.assertEq(RegisterWord.unwrap(word), uint256(bytes32(packed)));
        vm.assertEq(word.aliceToBob(), ab);
        vm.assertEq(word.bobToAlice(), ba);
        vm.assertEq(word.evidenceUntil(), until);
        vm.assertEq(word.improveUntil(), until);
    }

    function testFuzz_checkpoint(uint256 before, uint40 version, bytes24 hash) public pure {
        CheckpointWord word = CheckpointWord.wrap(before).withContent(version, hash);
        vm.assertEq(word.version(), version);
        vm.assertEq(word.nanocontracts(), uint24(before >> 192));
        vm.assertEq(bytes32(word.contentHash()), bytes32(hash));
        bytes memory packed = abi.encodePacked(version, uint24(before >> 192), hash);
        vm.assertEq(CheckpointWord.unwrap(word), uint256(bytes32(packed)));
    }

    function testFuzz_terms(uint96 member, uint96 hub, uint64 until) public pure {
        OpenTerms terms = OpenTerms.wrap(uint256(bytes32(abi.encodePacked(member, hub, until))));
        vm.assertEq(terms.memberDeposit(), member);
        vm.assertEq(terms.hubDeposit(), hub);
        vm.assertEq(terms.validUntil(), until);
        vm.assertEq(terms.sum(), uint256(member) + hub);
    }

    function testFuzz_vault(uint128 amount, address key, address other, uint128 more) public pure {
        vm.assume(uint128(uint160(key)) != 0 && uint128(uint160(key)) != uint128(uint160(other)));
        vm.assume(uint256(amount) + more < 2 ** 128);
        VaultWord word = VaultWord.wrap(amount).withOperator(key).plus(more);
        vm.assertEq(word.amount(address(0)), uint256(amount) + more);
        vm.assertTrue(word.isOperator(key) && !word.isOperator(other));
        word = word.minus(word.amount(address(0)));
        vm.assertEq(word.amount(address(0)), 0);
        vm.assertTrue(word.isOperator(key));
        vm.assertTrue(!word.withOperator(address(0)).isOperator(key));
    }

    function test_nobody_is_named_by_an_address_that_ends_in_zeros() public pure {
        address ending = address(uint160(1) << 128);
        vm.assertTrue(!VaultWord.wrap(5).isOperator(ending));
        vm.assertTrue(!VaultWord.wrap(5).withOperator(ending).isOperator(ending));
    }

    function testFuzz_a_tokens_amount_is_the_whole_word(uint256 amount) public pure {
        vm.assertEq(VaultWord.wrap(amount).amount(address(1)), amount);
    }
}
