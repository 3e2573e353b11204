// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What an opening puts in, in one word; the widths are the bounds under which amounts are stored.
///
///     255           160 159           64 63         0
///     +----------------+----------------+------------+
///     | member     u96 | hub        u96 | until  u64 |
///     +----------------+----------------+------------+
///
/// @dev Open is signed over the same three numbers, each in a word of its own. until = Open's validUntil.
type OpenTerms is uint256;

using {memberDeposit, hubDeposit, validUntil, sum} for OpenTerms global;

function memberDeposit(OpenTerms terms) pure returns (uint256) {
    return OpenTerms.unwrap(terms) >> 160;
}

function hubDeposit(OpenTerms terms) pure returns (uint256) {
    return uint96(OpenTerms.unwrap(terms) >> 64);
}

/// @dev Both deposits; two numbers of 96 bits cannot overflow.
function sum(OpenTerms terms) pure returns (uint256) {
    unchecked {
        return memberDeposit(terms) + hubDeposit(terms);
    }
}

function validUntil(OpenTerms terms) pure returns (uint256) {
    return uint64(OpenTerms.unwrap(terms));
}
