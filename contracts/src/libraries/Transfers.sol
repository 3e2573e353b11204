// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NATIVE_PAYOUT_GAS, TOKEN_PAYOUT_GAS} from "../types/Limits.sol";
import {IPerunikaErrors} from "../interfaces/IPerunikaErrors.sol";
import {IERC20} from "../interfaces/IERC20.sol";

/// @title Moving an asset out: without copying what the receiver returns, so that it cannot make the call expensive.
library Transfers {
    address internal constant NATIVE = address(0);

    /// @dev Tries a payout within its gas allowance; false when the receiver or the token refused. When too little gas
    /// is left to give the allowance in full, what remains after a failure does not pay for recording a claim, so the
    /// whole call reverts: nobody starves a receiver into a claim.
    function trySend(address asset, address to, uint256 amount) internal returns (bool) {
        return
            asset == NATIVE ? sendNative(to, amount, NATIVE_PAYOUT_GAS) : sendToken(asset, to, amount, TOKEN_PAYOUT_GAS);
    }

    /// @dev A transfer that the receiver asked for itself: all gas, or revert.
    function send(address asset, address to, uint256 amount) internal {
        bool sent = asset == NATIVE ? sendNative(to, amount, gasleft()) : sendToken(asset, to, amount, gasleft());
        if (!sent) revert IPerunikaErrors.TransferFailed(asset, address(this), to, amount);
    }

    function sendNative(address to, uint256 amount, uint256 gasAllowance) private returns (bool sent) {
        // Solidity's call copies the returned bytes into memory even when they are not used.
        assembly ("memory-safe") {
            sent := call(gasAllowance, to, amount, 0, 0, 0, 0)
        }
    }

    /// @dev A token answers nothing or true; at most one word of the answer is looked at.
    function sendToken(address asset, address to, uint256 amount, uint256 gasAllowance) private returns (bool sent) {
        bytes memory call_ = abi.encodeCall(IERC20.transfer, (to, amount));
        assembly ("memory-safe") {
            sent := call(gasAllowance, asset, 0, add(call_, 32), mload(call_), 0, 32)
            sent := and(sent, or(iszero(returndatasize()), and(gt(returndatasize(), 31), eq(mload(0), 1))))
        }
        return sent && asset.code.length != 0;
    }
}
