// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Closing, Opening} from "../types/Structs.sol";

/// @title One entry of a batch as a call of the contract to itself, so that what fails in it is undone alone.
/// @dev The entry is passed on as it lies in calldata; Solidity's encoder would check and copy it field by field.
library SelfCall {
    /// @dev Empty when the entry went well, else the error.
    function attempt(bytes4 selector, Opening calldata entry) internal returns (bytes memory) {
        uint256 start;
        assembly ("memory-safe") {
            start := entry
        }
        return attempt(selector, start, 11 * 32);
    }

    /// @dev Empty when the entry went well, else the error.
    function attempt(bytes4 selector, Closing calldata entry) internal returns (bytes memory) {
        uint256 start;
        assembly ("memory-safe") {
            start := entry
        }
        return attempt(selector, start, 14 * 32);
    }

    function attempt(bytes4 selector, uint256 start, uint256 size) private returns (bytes memory reason) {
        bool done;
        assembly ("memory-safe") {
            let call_ := mload(0x40)
            mstore(call_, selector)
            mstore(add(call_, 4), caller())
            calldatacopy(add(call_, 36), start, size)
            done := call(gas(), address(), 0, call_, add(size, 36), 0, 0)
        }
        if (!done) reason = returned();
    }

    /// @dev What the last call returned; one word of zero if it was nothing, so that it never looks like success.
    function returned() private pure returns (bytes memory answer) {
        assembly ("memory-safe") {
            answer := mload(0x40)
            let size := returndatasize()
            mstore(0x40, and(add(add(answer, size), 95), not(31)))
            mstore(answer, size)
            returndatacopy(add(answer, 32), 0, size)
            if iszero(size) {
                mstore(answer, 32)
                mstore(add(answer, 32), 0)
            }
        }
    }
}
