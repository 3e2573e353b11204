// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Bounds under which numbers are stored; signatures carry wider ones.
uint256 constant MAX_AMOUNT = type(uint96).max;
uint256 constant MAX_VERSION = type(uint40).max;
uint256 constant MAX_NONCE = type(uint24).max;
uint256 constant MAX_TICKS = 1024;
uint256 constant MAX_BITMAP_BYTES = 1024;

// The lowest base a withdrawal may leave; 2^24 withdrawals of 2^96 stay inside int128.
int256 constant MIN_BASE = -(2 ** 120);

// Gas a payout may use.
uint256 constant NATIVE_PAYOUT_GAS = 50_000;
uint256 constant TOKEN_PAYOUT_GAS = 150_000;

// What must be left before each entry of closeMany: an entry gets 63/64 of it, enough for its checks and its payout.
uint256 constant ENTRY_FLOOR_GAS = 200_000;

// Status of a channel.
uint8 constant NONE = 0;
uint8 constant OPEN = 1;
uint8 constant DISPUTE = 2;
uint8 constant FOLDED = 3;
uint8 constant CLOSED = 4;
