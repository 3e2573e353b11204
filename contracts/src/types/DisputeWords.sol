// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The words that a dispute adds; every field only grows.
///
/// Register word, d1:
///
///     255          160 159            64 63      32 31       0
///     +---------------+-----------------+----------+---------+
///     | ab        u96 | ba          u96 | t1   u32 | t2  u32 |
///     +---------------+-----------------+----------+---------+
///
/// @dev ab, ba = highest vouchers posted; t1 = end of evidence, fixed at the start; t2 >= t1 = end of improvements.
type RegisterWord is uint256;

/// Checkpoint word, d2; written only if a checkpoint or a nanocontract is posted:
///
///     255          216 215        192 191                     0
///     +---------------+--------------+------------------------+
///     | cpVersion u40 | count    u24 | cpHash             b24 |
///     +---------------+--------------+------------------------+
///
/// @dev count = registered nanocontracts; cpHash = first 24 bytes of keccak256(net, floor, keccak256(retired)).
type CheckpointWord is uint256;

using {aliceToBob, bobToAlice, evidenceUntil, improveUntil, withVouchers} for RegisterWord global;
using {version, nanocontracts, contentHash, withContent} for CheckpointWord global;

/// @dev Both deadlines start equal; the caller has checked that `until` < 2^32.
function startRegisters(uint256 until) pure returns (RegisterWord) {
    return RegisterWord.wrap(until << 32 | until);
}

function aliceToBob(RegisterWord word) pure returns (uint256) {
    return RegisterWord.unwrap(word) >> 160;
}

function bobToAlice(RegisterWord word) pure returns (uint256) {
    return uint96(RegisterWord.unwrap(word) >> 64);
}

function evidenceUntil(RegisterWord word) pure returns (uint256) {
    return uint32(RegisterWord.unwrap(word) >> 32);
}

function improveUntil(RegisterWord word) pure returns (uint256) {
    return uint32(RegisterWord.unwrap(word));
}

function withVouchers(RegisterWord word, uint256 ab, uint256 ba) pure returns (RegisterWord) {
    return RegisterWord.wrap(ab << 160 | ba << 64 | uint64(RegisterWord.unwrap(word)));
}

function version(CheckpointWord word) pure returns (uint256) {
    return CheckpointWord.unwrap(word) >> 216;
}

function nanocontracts(CheckpointWord word) pure returns (uint256) {
    return uint24(CheckpointWord.unwrap(word) >> 192);
}

function contentHash(CheckpointWord word) pure returns (bytes24) {
    return bytes24(uint192(CheckpointWord.unwrap(word)));
}

/// @dev Keeps count. The caller has checked that version_ < 2^40.
function withContent(CheckpointWord word, uint256 version_, bytes24 hash) pure returns (CheckpointWord) {
    return CheckpointWord.wrap(version_ << 216 | nanocontracts(word) << 192 | uint192(hash));
}
