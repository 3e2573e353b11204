// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    BasicParams,
    ChannelView,
    CheckpointContent,
    CheckpointPost,
    Closing,
    DisputeView,
    Evidence,
    Funding,
    NanocontractItem,
    Opening,
    StartPermit,
    VirtualParams,
    Withdrawal
} from "../types/Structs.sol";
import {IPerunikaErrors} from "./IPerunikaErrors.sol";
import {IPerunikaEvents} from "./IPerunikaEvents.sol";

/// @title Perunika: every payment channel of a chain in one contract.
/// @notice A member (alice) and a hub (bob) lock an amount, pay each other off chain, and come back once to divide it.
/// Signatures are EIP-712 under {"Perunika", "1", chainId, this contract}. A side that sends the transaction itself
/// needs no signature of its own; for close and withdrawFromChannel its owner counts as the side.
interface IPerunika is IPerunikaErrors, IPerunikaEvents {
    // --- vault

    /// @notice Adds exactly `amount` of the sender's asset to the vault of `owner`.
    function deposit(address owner, address asset, uint256 amount) external payable;

    /// @notice Sends `amount` out of the sender's vault to `to`.
    function withdrawVault(address asset, uint256 amount, address to) external;

    /// @notice Lets `key`, as bob of a channel, commit the sender's vault by signing Open; or takes that back.
    function setOperator(address key, bool on) external;

    /// @notice Pays what waits for `owner` after a failed payout; anyone may call it.
    function pushClaim(address owner, address asset) external;

    // --- life of a channel

    /// @notice Opens and funds a channel in one step. The member's deposit is the coin sent along (asset 0) or comes
    /// out of the sender's allowance; the hub's comes out of the vault of bobOwner.
    function open(Opening calldata opening) external payable;

    /// @notice As `open`, the member's deposit (a token) coming by permit, EIP-3009 authorisation or signed Fund.
    function openWith(Opening calldata opening, Funding calldata funding) external;

    /// @notice Opens many; coin sent along goes to the sender's vault, and members' deposits come out of that vault.
    /// An entry that fails is skipped and reported by EntryFailed.
    function openMany(Opening[] calldata openings) external payable;

    /// @notice One entry of openMany; only the contract itself may call it.
    function openEntry(address sender, Opening calldata opening) external;

    /// @notice Adds exactly `amount` of the sender's asset to one side of a channel.
    function topUp(BasicParams calldata params, bool aliceSide, uint128 amount) external payable;

    /// @notice Pays out a part that both agreed on; the channel goes on.
    function withdrawFromChannel(BasicParams calldata params, Withdrawal calldata withdrawal) external;

    /// @notice Ends a channel as both agreed: alice's owner gets clamp(base - net, 0, total), the hub's vault the rest.
    function close(Closing calldata closing) external;

    /// @notice Closes many; an entry that fails is skipped and reported by EntryFailed.
    function closeMany(Closing[] calldata closings) external;

    /// @notice One entry of closeMany; only the contract itself may call it.
    function closeEntry(address sender, Closing calldata closing) external;

    /// @notice Frees the word of a closed channel once its id can no longer be opened; anyone may call it.
    function sweep(BasicParams calldata params) external;

    // --- dispute

    /// @notice Starts a dispute (a party, an owner, or an agent with a Start) or joins one (anyone), and merges what
    /// is given. Evidence that is lower than what is there changes nothing.
    function challenge(
        BasicParams calldata params,
        StartPermit calldata start,
        CheckpointPost calldata checkpoint,
        Evidence calldata aliceToBob,
        Evidence calldata bobToAlice
    ) external;

    /// @notice Pays out a dispute after its deadlines; anyone may call it. Items have strictly increasing nids.
    function settle(
        BasicParams calldata params,
        CheckpointContent calldata checkpoint,
        NanocontractItem[] calldata items
    ) external;

    /// @notice Several calls of this contract in one transaction, all or none.
    function batch(bytes[] calldata calls) external;

    // --- views

    /// @notice The stored word of a channel, unpacked.
    function channel(bytes32 channelId) external view returns (ChannelView memory);

    /// @notice The stored words of a dispute, unpacked.
    function dispute(bytes32 channelId) external view returns (DisputeView memory);

    /// @notice What `owner` has in its vault.
    function vault(address owner, address asset) external view returns (uint256);

    /// @notice What waits for `owner` after failed payouts.
    function claims(address owner, address asset) external view returns (uint256);

    /// @notice Whether `key` may commit the vault of `owner`.
    function operatorOf(address owner, address key) external view returns (bool);

    /// @notice The id of a basic channel.
    function basicId(BasicParams calldata params) external view returns (bytes32);

    /// @notice The id of a virtual channel.
    function virtualId(VirtualParams calldata params) external view returns (bytes32);

    /// @notice The EIP-712 domain separator on the chain that runs this.
    function domainSeparator() external view returns (bytes32);

    /// @notice The shortest challenge duration and window of this deployment, in seconds.
    function minWindow() external view returns (uint256);

    /// @notice The longest challenge duration and window of this deployment, in seconds.
    function maxWindow() external view returns (uint256);
}
