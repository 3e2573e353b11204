// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bench} from "./support/Bench.sol";
import {vm} from "./support/Vm.sol";
import {TypeHashes} from "../src/libraries/TypeHashes.sol";
import {OpenTerms} from "../src/types/OpenTerms.sol";
import {BasicParams, Signature, VirtualParams} from "../src/types/Structs.sol";

/// @title The contract signs and hashes as everybody else does: tests/vectors/eip712.json, made by eth-account.
contract VectorsTest {
    string private json = vm.readFile("../tests/vectors/eip712.json");
    string private place;
    Bench private bench;
    address private signer;

    function setUp() public {
        address verifier = vm.parseJsonAddress(json, ".domain.contract");
        vm.chainId(vm.parseJsonUint(json, ".domain.chainId"));
        vm.etch(verifier, address(new Bench()).code);
        bench = Bench(verifier);
        signer = vm.parseJsonAddress(json, ".signer");
    }

    function test_every_digest_and_signature_of_the_vectors_is_ours() public {
        bytes32 domain = bench.domain(address(bench));
        uint256 checked;
        for (uint256 i = 0; vm.keyExistsJson(json, string.concat(".cases[", vm.toString(i), "]")); ++i) {
            place = string.concat(".cases[", vm.toString(i), "]");
            string memory kind = vm.parseJsonString(json, string.concat(place, ".type"));
            bytes32 structHash = structHashOf(keccak256(bytes(kind)));
            if (structHash == 0) continue;
            bytes32 digest = vm.parseJsonBytes32(json, string.concat(place, ".digest"));
            vm.assertEq(bench.typed(domain, structHash), digest, kind);
            vm.assertEq(bench.recover(digest, signature()), signer);
            ++checked;
        }
        vm.assertGe(checked, 52, "types were left out");
    }

    function test_every_type_of_the_contract_is_in_the_vectors() public view {
        string[13] memory names = [
            "BasicParams",
            "VirtualParams",
            "Voucher",
            "TickChain",
            "Nanocontract",
            "Checkpoint",
            "Open",
            "Withdraw",
            "Close",
            "Start",
            "Finish",
            "Action",
            "Fund"
        ];
        bytes32[13] memory hashes = [
            TypeHashes.BASIC_PARAMS,
            TypeHashes.VIRTUAL_PARAMS,
            TypeHashes.VOUCHER,
            TypeHashes.TICK_CHAIN,
            TypeHashes.NANOCONTRACT,
            TypeHashes.CHECKPOINT,
            TypeHashes.OPEN,
            TypeHashes.WITHDRAW,
            TypeHashes.CLOSE,
            TypeHashes.START,
            TypeHashes.FINISH,
            TypeHashes.ACTION,
            TypeHashes.FUND
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            string memory text = vm.parseJsonString(json, string.concat(".types.", names[i]));
            vm.assertEq(keccak256(bytes(text)), hashes[i], names[i]);
        }
    }

    function structHashOf(bytes32 kind) private view returns (bytes32) {
        if (kind == keccak256("BasicParams")) return bench.basic(basicParams());
        if (kind == keccak256("VirtualParams")) return bench.virtualParams(virtualParams());
        if (kind == keccak256("Voucher")) return bench.voucher(hash("channelId"), u128("cumulativeAmount"));
        if (kind == keccak256("TickChain")) {
            return bench.tickChain(hash("channelId"), u128("base"), u128("unit"), uint32(u("length")), hash("root"));
        }
        if (kind == keccak256("Checkpoint")) return checkpoint();
        if (kind == keccak256("Open")) {
            uint256 word = u("memberDeposit") << 160 | u("hubDeposit") << 64 | u("validUntil");
            return bench.open(hash("channelId"), OpenTerms.wrap(word));
        }
        if (kind == keccak256("Withdraw")) return withdraw();
        if (kind == keccak256("Close")) return bench.close(hash("channelId"), i128("net"), uint64(u("validUntil")));
        if (kind == keccak256("Start")) return bench.start(hash("id"), addr("agent"), uint64(u("validUntil")));
        if (kind == keccak256("Fund")) {
            return bench.fund(hash("channelId"), addr("from"), u128("amount"), uint64(u("validUntil")));
        }
        return laterStructHashOf(kind);
    }

    /// @dev Structs that only later calls take: their type hash is final, the content is laid out here.
    function laterStructHashOf(bytes32 kind) private view returns (bytes32) {
        if (kind == keccak256("Nanocontract")) {
            bytes memory first = abi.encode(TypeHashes.NANOCONTRACT, hash("channelId"), u("nid"), u("version"));
            bytes memory blocked = abi.encode(i128("blockedAlice"), i128("blockedBob"));
            return keccak256(bytes.concat(first, blocked, abi.encode(addr("app"), hash("state"), u("runTime"))));
        }
        if (kind == keccak256("Finish")) return keccak256(abi.encode(TypeHashes.FINISH, hash("virtualId")));
        if (kind == keccak256("Action")) {
            bytes memory first = abi.encode(TypeHashes.ACTION, hash("channelId"), u("nid"), u("step"));
            return keccak256(bytes.concat(first, abi.encode(hash("stateHash"), hash("inputHash"))));
        }
        return 0;
    }

    function basicParams() private view returns (BasicParams memory) {
        return BasicParams(
            addr("alice"),
            addr("bob"),
            addr("aliceOwner"),
            addr("bobOwner"),
            addr("asset"),
            uint32(u("challengeDuration")),
            uint40(u("openBefore")),
            hash("salt")
        );
    }

    function virtualParams() private view returns (VirtualParams memory v) {
        (v.payerChannel, v.payeeChannel) = (hash("payerChannel"), hash("payeeChannel"));
        (v.payer, v.payee) = (addr("payer"), addr("payee"));
        (v.payerCapacity, v.payeeCapacity) = (u128("payerCapacity"), u128("payeeCapacity"));
        (v.validity, v.window, v.salt) = (uint64(u("validity")), uint32(u("window")), hash("salt"));
    }

    function checkpoint() private view returns (bytes32) {
        bytes memory retired = vm.parseJsonBytes(json, path("retired"));
        return bench.checkpoint(hash("channelId"), uint64(u("version")), i128("net"), uint64(u("floor")), retired);
    }

    function withdraw() private view returns (bytes32) {
        return
            bench.withdraw(
                hash("channelId"), uint32(u("nonce")), u128("toAlice"), u128("toBob"), uint64(u("validUntil"))
            );
    }

    function signature() private view returns (Signature memory s) {
        bytes memory raw = vm.parseJsonBytes(json, string.concat(place, ".signature"));
        (bytes32 r, bytes32 low) = (bytes32(0), bytes32(0));
        assembly {
            r := mload(add(raw, 32))
            low := mload(add(raw, 64))
        }
        s = Signature(r, bytes32(uint256(low) | (uint256(uint8(raw[64])) - 27) << 255));
    }

    function path(string memory field) private view returns (string memory) {
        return string.concat(place, ".fields.", field);
    }

    function u(string memory field) private view returns (uint256) {
        return vm.parseJsonUint(json, path(field));
    }

    function u128(string memory field) private view returns (uint128) {
        return uint128(u(field));
    }

    function i128(string memory field) private view returns (int128) {
        return int128(vm.parseJsonInt(json, path(field)));
    }

    function hash(string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, path(field));
    }

    function addr(string memory field) private view returns (address) {
        return vm.parseJsonAddress(json, path(field));
    }
}
