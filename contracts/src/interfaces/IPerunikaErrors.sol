// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Why a call was refused. A refused call leaves everything as it was.
interface IPerunikaErrors {
    /// @notice The channel is in `status` (0 none, 1 open, 2 dispute, 3 folded, 4 closed), which this call does not fit.
    error WrongStatus(bytes32 channelId, uint8 status);
    /// @notice The time that the signer or the protocol set has passed.
    error Expired(uint256 deadline, uint256 nowTime);
    /// @notice The call is possible only after `time`.
    error TooEarly(uint256 time, uint256 nowTime);
    /// @notice A duration of the parameters is outside what this deployment allows.
    error DurationOutOfRange(uint256 duration, uint256 minimum, uint256 maximum);
    /// @notice alice and bob are the same, an address is 0, or an owner is this contract.
    error BadParties(address alice, address bob, address aliceOwner, address bobOwner);
    /// @notice The signature is not one of `expected`; recovered is 0 when it is malformed or not in low-s form.
    error BadSignature(address expected, address recovered);
    /// @notice The Start is not signed by a party of the channel.
    error BadStart(address recovered);
    /// @notice `owner` has not made `key` its operator; its vault stays untouched.
    error NotOperator(address owner, address key);
    /// @notice The sender is neither party, nor owner, nor an agent with a Start.
    error NotAParty(address sender);
    /// @notice A number exceeds the bound it is stored under.
    error AmountOutOfRange(uint256 amount, uint256 maximum);
    /// @notice A signed net exceeds the bound it is stored under.
    error NetOutOfRange(int256 net, uint256 maximum);
    /// @notice The coin sent along is not the amount to be paid.
    error WrongValue(uint256 sent, uint256 expected);
    /// @notice The asset is not a contract.
    error NoCode(address asset);
    /// @notice The token did not raise this contract's balance by exactly the amount.
    error WrongDeposit(address asset, uint256 expected, uint256 received);
    /// @notice The token or the receiver refused the transfer.
    error TransferFailed(address asset, address from, address to, uint256 amount);
    /// @notice The vault of `owner` holds less than is needed.
    error VaultTooLow(address owner, address asset, uint256 balance, uint256 needed);
    /// @notice The withdrawal carries another number than the next one, or the last one was used.
    error WrongNonce(uint256 given, uint256 expected);
    /// @notice The withdrawal takes more than the channel holds, or more from alice's claim than can be stored.
    error Overdrawn(uint256 requested, uint256 total, int256 base);
    /// @notice A version does not fit its 40 bits.
    error VersionOutOfRange(uint256 version);
    /// @notice The retired bitmap is longer than 1024 bytes or ends in a zero byte.
    error BadBitmap(uint256 length);
    /// @notice The checkpoint given is not the one that was posted.
    error WrongCheckpoint(bytes24 given, bytes24 posted);
    /// @notice No such nanocontract is registered in this channel.
    error UnknownNanocontract(bytes32 channelId, uint64 nid);
    /// @notice A tick chain longer than 1024, or an index beyond its length.
    error BadTick(uint256 index, uint256 length);
    /// @notice The preimage does not lead to the signed root.
    error WrongRoot(bytes32 computed, bytes32 signed);
    /// @notice A call that only the contract itself makes.
    error NotSelf(address sender);
    /// @notice A call from inside a transfer of this contract.
    error Reentered();
    /// @notice Too little gas left for a payout with its full allowance; send the call again with more.
    error GasTooLow(uint256 left, uint256 floor);
    /// @notice A call of `batch` failed; reason is what it returned.
    error BatchFailed(uint256 index, bytes reason);
    /// @notice A deployment with an empty or too wide range of windows.
    error BadWindows(uint256 minimum, uint256 maximum);
}
