// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OpenTerms} from "../types/OpenTerms.sol";
import {Params} from "../types/Params.sol";
import {VirtualParams} from "../types/Structs.sol";
import {TypeHashes} from "./TypeHashes.sol";

/// @title Digests of everything that is ever signed under the domain {"Perunika", "1", chainId, contract}.
/// @dev The content is laid out behind the end of used memory and hashed there; nothing is allocated, so a batch does
/// not pay for memory that grows with every entry. A test holds each function against its abi.encode form (ADR-0010).
library Digests {
    /// @dev The separator of `verifier` on this chain.
    function domain(address verifier) internal view returns (bytes32) {
        bytes32 name = keccak256("Perunika");
        return keccak256(abi.encode(TypeHashes.DOMAIN, name, keccak256("1"), block.chainid, verifier));
    }

    /// @dev What is signed: the EIP-712 digest of a struct hash.
    function typed(bytes32 separator, bytes32 structHash) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, hex"1901")
            mstore(add(free, 2), separator)
            mstore(add(free, 34), structHash)
            digest := keccak256(free, 66)
        }
    }

    function basic(Params p) internal pure returns (bytes32) {
        return p.structHash(TypeHashes.BASIC_PARAMS);
    }

    function virtualParams(VirtualParams calldata v) internal pure returns (bytes32) {
        return keccak256(abi.encode(TypeHashes.VIRTUAL_PARAMS, v));
    }

    function voucher(bytes32 id, uint256 amount) internal pure returns (bytes32) {
        return keccak256(abi.encode(TypeHashes.VOUCHER, id, amount));
    }

    function tickChain(bytes32 id, uint128 base, uint128 unit, uint32 length, bytes32 root)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(TypeHashes.TICK_CHAIN, id, base, unit, length, root));
    }

    function checkpoint(bytes32 id, uint64 version, int128 net, uint64 floor, bytes32 retiredHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(TypeHashes.CHECKPOINT, id, version, net, floor, retiredHash));
    }

    function withdraw(bytes32 id, uint32 nonce, uint128 toAlice, uint128 toBob, uint64 validUntil)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(TypeHashes.WITHDRAW, id, nonce, toAlice, toBob, validUntil));
    }

    function start(bytes32 id, address agent, uint64 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(TypeHashes.START, id, agent, validUntil));
    }

    function fund(bytes32 id, address from, uint256 amount, uint64 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(TypeHashes.FUND, id, from, amount, validUntil));
    }

    function open(bytes32 id, OpenTerms terms) internal pure returns (bytes32 structHash) {
        bytes32 kind = TypeHashes.OPEN;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, kind)
            mstore(add(free, 32), id)
            mstore(add(free, 64), shr(160, terms))
            mstore(add(free, 96), shr(160, shl(96, terms)))
            mstore(add(free, 128), and(terms, 0xffffffffffffffff))
            structHash := keccak256(free, 160)
        }
    }

    function close(bytes32 id, int256 net, uint256 validUntil) internal pure returns (bytes32 structHash) {
        bytes32 kind = TypeHashes.CLOSE;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, kind)
            mstore(add(free, 32), id)
            mstore(add(free, 64), net)
            mstore(add(free, 96), validUntil)
            structHash := keccak256(free, 128)
        }
    }
}
