// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BasicParams} from "./Structs.sol";

/// @title Where the parameters of a channel lie in calldata.
/// @dev Solidity checks the width of a calldata field at every reading, about 35 gas each and twenty times a call; here
/// `locate` checks all of them once and the readers below only load (ADR-0010). Words from the position on:
///
///     alice | bob | aliceOwner | bobOwner | asset | challengeDuration | openBefore | salt
type Params is uint256;

using {alice, bob, aliceOwner, bobOwner, asset, challengeDuration, openBefore, unfit, structHash} for Params global;

/// @dev The position without any check; good for naming what was given, not for acting on it.
function positionOf(BasicParams calldata source) pure returns (Params p) {
    assembly ("memory-safe") {
        p := source
    }
}

/// @dev Reverts, as the decoder does, when a field does not fit its type: so an id has exactly one form.
function locate(BasicParams calldata source) pure returns (Params p) {
    p = positionOf(source);
    assembly ("memory-safe") {
        let wide := or(or(calldataload(p), calldataload(add(p, 32))), calldataload(add(p, 64)))
        wide := shr(160, or(wide, or(calldataload(add(p, 96)), calldataload(add(p, 128)))))
        if or(wide, or(shr(32, calldataload(add(p, 160))), shr(40, calldataload(add(p, 192))))) { revert(0, 0) }
    }
}

function alice(Params p) pure returns (address value) {
    assembly ("memory-safe") {
        value := calldataload(p)
    }
}

function bob(Params p) pure returns (address value) {
    assembly ("memory-safe") {
        value := calldataload(add(p, 32))
    }
}

function aliceOwner(Params p) pure returns (address value) {
    assembly ("memory-safe") {
        value := calldataload(add(p, 64))
    }
}

function bobOwner(Params p) pure returns (address value) {
    assembly ("memory-safe") {
        value := calldataload(add(p, 96))
    }
}

function asset(Params p) pure returns (address value) {
    assembly ("memory-safe") {
        value := calldataload(add(p, 128))
    }
}

function challengeDuration(Params p) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := calldataload(add(p, 160))
    }
}

function openBefore(Params p) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := calldataload(add(p, 192))
    }
}

/// @dev Whether an address is 0, the signers are the same, or an owner is `self`.
function unfit(Params p, address self) pure returns (bool bad) {
    assembly ("memory-safe") {
        let a := calldataload(p)
        let b := calldataload(add(p, 32))
        let aOwner := calldataload(add(p, 64))
        let bOwner := calldataload(add(p, 96))
        bad := or(or(iszero(a), iszero(b)), or(iszero(aOwner), iszero(bOwner)))
        bad := or(bad, or(eq(a, b), or(eq(aOwner, self), eq(bOwner, self))))
    }
}

/// @dev The EIP-712 struct hash, laid out behind the end of used memory; nothing is allocated.
function structHash(Params p, bytes32 typeHash) pure returns (bytes32 hash) {
    assembly ("memory-safe") {
        let free := mload(0x40)
        mstore(free, typeHash)
        calldatacopy(add(free, 32), p, 256)
        hash := keccak256(free, 288)
    }
}
