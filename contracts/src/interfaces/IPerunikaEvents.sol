// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OpenTerms} from "../types/OpenTerms.sol";

/// @title What an independent reader needs to recompute every balance of the contract.
interface IPerunikaEvents {
    /// @notice `amount` was added to the vault of `owner` from outside.
    event Deposited(address indexed owner, address indexed asset, uint256 amount);
    /// @notice `owner` took `amount` out of its vault.
    event VaultWithdrawn(address indexed owner, address indexed asset, address to, uint256 amount);
    /// @notice `key` may (not) commit the vault of `owner` by signing Open.
    event OperatorSet(address indexed owner, address indexed key, bool on);
    /// @notice A payout to `owner` failed and waits as a claim.
    event ClaimRecorded(address indexed owner, address indexed asset, uint256 amount);
    /// @notice A waiting claim was paid.
    event ClaimPaid(address indexed owner, address indexed asset, uint256 amount);

    /// @notice A channel lives; terms = memberDeposit u96 | hubDeposit u96 | validUntil u64. The hub's deposit came out
    /// of the vault of bobOwner.
    event Opened(bytes32 indexed channelId, OpenTerms terms);
    /// @notice The channel holds `amount` more, on the side named.
    event ToppedUp(bytes32 indexed channelId, bool aliceSide, uint256 amount);
    /// @notice Both agreed to pay out a part; toBob went into the vault of bobOwner.
    event Withdrawn(bytes32 indexed channelId, uint256 nonce, uint256 toAlice, uint256 toBob);
    /// @notice Both agreed on the end; toBob went into the vault of bobOwner.
    event Closed(bytes32 indexed channelId, uint256 toAlice, uint256 toBob);
    /// @notice The word of a closed channel was freed.
    event Swept(bytes32 indexed channelId);
    /// @notice An entry of openMany or closeMany was skipped; reason is the encoded error.
    event EntryFailed(bytes32 indexed channelId, uint256 index, bytes reason);

    /// @notice A dispute began; evidence is taken until `evidenceUntil`.
    event Disputed(bytes32 indexed channelId, uint256 evidenceUntil);
    /// @notice The highest amounts posted so far, each way.
    event VouchersMerged(bytes32 indexed channelId, uint256 aliceToBob, uint256 bobToAlice);
    /// @notice The highest checkpoint posted so far, in full.
    event Checkpointed(bytes32 indexed channelId, uint256 version, int256 net, uint256 floor, bytes retired);
    /// @notice A dispute paid out; `ended` is true when nothing is left in the channel.
    event Settled(bytes32 indexed channelId, uint256 toAlice, uint256 toBob, bool ended);
}
