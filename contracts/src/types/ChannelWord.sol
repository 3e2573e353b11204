// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The only storage word of an open channel.
///
///     255          160 159              32 31           8 7      0
///     +---------------+------------------+--------------+--------+
///     | total     u96 | base        i128 | wNonce   u24 | status |
///     +---------------+------------------+--------------+--------+
///
/// @dev total = what the channel holds; base = alice's deposits - her withdrawals; wNonce = withdrawals so far.
type ChannelWord is uint256;

using {total, base, withdrawNonce, status, withStatus, split} for ChannelWord global;

/// @dev The caller has checked every range: total < 2^96, base in int128, nonce < 2^24.
function packChannel(uint256 total_, int256 base_, uint256 nonce, uint8 status_) pure returns (ChannelWord) {
    return ChannelWord.wrap(total_ << 160 | uint256(uint128(int128(base_))) << 32 | nonce << 8 | status_);
}

function total(ChannelWord word) pure returns (uint256) {
    return ChannelWord.unwrap(word) >> 160;
}

function base(ChannelWord word) pure returns (int256) {
    return int128(uint128(ChannelWord.unwrap(word) >> 32));
}

function withdrawNonce(ChannelWord word) pure returns (uint256) {
    return uint24(ChannelWord.unwrap(word) >> 8);
}

function status(ChannelWord word) pure returns (uint8) {
    return uint8(ChannelWord.unwrap(word));
}

function withStatus(ChannelWord word, uint8 status_) pure returns (ChannelWord) {
    return ChannelWord.wrap((ChannelWord.unwrap(word) >> 8) << 8 | status_);
}

/// @dev Divides the total: alice gets her claim within [0, total], bob the rest.
function split(ChannelWord word, int256 claim) pure returns (uint256 toAlice, uint256 toBob) {
    uint256 all = total(word);
    if (claim > 0) toAlice = uint256(claim) < all ? uint256(claim) : all;
    toBob = all - toAlice;
}
