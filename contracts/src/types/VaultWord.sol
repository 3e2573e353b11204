// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What an owner has in its vault. A token's word is the amount. The native coin's word also names one operator,
/// so that an opening in coin reads the grant and the balance together (ADR-0011):
///
///     255              128 127               0
///     +-------------------+-------------------+
///     | operator     u128 | amount       u128 |
///     +-------------------+-------------------+
///
/// @dev operator = last 16 bytes of the key granted last and not revoked since, else 0. No chain has 2^128 of its coin,
/// so amounts are added and taken without touching the operator.
type VaultWord is uint256;

using {amount, isOperator, withOperator, plus, minus} for VaultWord global;

function amount(VaultWord word, address asset) pure returns (uint256) {
    return asset == address(0) ? uint128(VaultWord.unwrap(word)) : VaultWord.unwrap(word);
}

/// @dev Only for the native coin's word.
function isOperator(VaultWord word, address key) pure returns (bool) {
    uint256 tag = VaultWord.unwrap(word) >> 128;
    return tag != 0 && tag == uint128(uint160(key));
}

/// @dev Only for the native coin's word; key 0 names nobody.
function withOperator(VaultWord word, address key) pure returns (VaultWord) {
    return VaultWord.wrap(uint256(uint160(key)) << 128 | uint128(VaultWord.unwrap(word)));
}

function plus(VaultWord word, uint256 more) pure returns (VaultWord) {
    return VaultWord.wrap(VaultWord.unwrap(word) + more);
}

/// @dev The caller has checked that the amount is at least `less`.
function minus(VaultWord word, uint256 less) pure returns (VaultWord) {
    return VaultWord.wrap(VaultWord.unwrap(word) - less);
}
