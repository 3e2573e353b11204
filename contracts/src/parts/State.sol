// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BasicParams, ChannelView, DisputeView, Signature, VirtualParams} from "../types/Structs.sol";
import {Params, locate, positionOf} from "../types/Params.sol";
import {ChannelWord} from "../types/ChannelWord.sol";
import {CheckpointWord, RegisterWord} from "../types/DisputeWords.sol";
import {VaultWord} from "../types/VaultWord.sol";
import {CLOSED, NONE} from "../types/Limits.sol";
import {IPerunika} from "../interfaces/IPerunika.sol";
import {Digests} from "../libraries/Digests.sol";
import {Signatures} from "../libraries/Signatures.sol";

/// @title Storage, signing domain and lock: what all parts of the contract share.
abstract contract State is IPerunika {
    /// @dev One word behind a reference that is computed once for reading and writing.
    struct Balance {
        VaultWord word;
    }

    mapping(bytes32 channelId => ChannelWord) internal _channels;
    mapping(bytes32 channelId => RegisterWord) internal _registers;
    mapping(bytes32 channelId => CheckpointWord) internal _checkpoints;

    /// @dev Registered nanocontracts: version u40 | step u24 | first 24 bytes of the hash of the content.
    mapping(bytes32 channelId => mapping(uint64 nid => uint256)) internal _nanocontracts;

    /// @dev Outcomes, permanent, one for both parents: ab u96 | ba u96 | deadline u40 | used u8 | running u8.
    mapping(bytes32 virtualId => uint256) internal _virtualChannels;

    mapping(address owner => mapping(address asset => Balance)) internal _vaults;
    /// @inheritdoc IPerunika
    mapping(address owner => mapping(address asset => uint256)) public claims;
    /// @inheritdoc IPerunika
    mapping(address owner => mapping(address key => bool)) public operatorOf;

    /// @dev Set while this contract calls a token or a receiver; gone with the transaction.
    bool private transient _locked;

    /// @inheritdoc IPerunika
    uint256 public immutable minWindow;
    /// @inheritdoc IPerunika
    uint256 public immutable maxWindow;
    uint256 private immutable _deployChain;
    bytes32 private immutable _deployDomain;

    constructor(uint32 minWindow_, uint32 maxWindow_) {
        if (minWindow_ == 0 || minWindow_ > maxWindow_) revert BadWindows(minWindow_, maxWindow_);
        minWindow = minWindow_;
        maxWindow = maxWindow_;
        _deployChain = block.chainid;
        _deployDomain = Digests.domain(address(this));
    }

    /// @dev For calls that reach no foreign code: nothing can come back, so there is nothing to lock.
    modifier unlocked() {
        _requireUnlocked();
        _;
    }

    /// @dev For calls that reach foreign code: whatever comes back finds the door closed.
    modifier nonReentrant() {
        _requireUnlocked();
        _locked = true;
        _;
        _locked = false;
    }

    /// @dev For the entries of a batch: the sender is passed on by the contract itself, never taken from a stranger.
    modifier onlySelf() {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        _;
    }

    /// @inheritdoc IPerunika
    function channel(bytes32 channelId) external view returns (ChannelView memory) {
        ChannelWord word = _channels[channelId];
        return ChannelView(uint96(word.total()), int128(word.base()), uint24(word.withdrawNonce()), word.status());
    }

    /// @inheritdoc IPerunika
    function dispute(bytes32 channelId) external view returns (DisputeView memory) {
        RegisterWord registers = _registers[channelId];
        CheckpointWord checkpoint = _checkpoints[channelId];
        return DisputeView(
            uint96(registers.aliceToBob()),
            uint96(registers.bobToAlice()),
            uint32(registers.evidenceUntil()),
            uint32(registers.improveUntil()),
            uint40(checkpoint.version()),
            uint24(checkpoint.nanocontracts()),
            checkpoint.contentHash()
        );
    }

    /// @inheritdoc IPerunika
    function basicId(BasicParams calldata params) external view returns (bytes32 id) {
        (, id) = _identify(params);
    }

    /// @inheritdoc IPerunika
    function virtualId(VirtualParams calldata params) external view returns (bytes32) {
        return _typed(Digests.virtualParams(params));
    }

    /// @inheritdoc IPerunika
    function vault(address owner, address asset) external view returns (uint256) {
        return _vaults[owner][asset].word.amount(asset);
    }

    /// @inheritdoc IPerunika
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _deployChain ? _deployDomain : Digests.domain(address(this));
    }

    /// @dev The parameters, read once, and the id that commits to them.
    function _identify(BasicParams calldata params) internal view returns (Params p, bytes32 id) {
        p = locate(params);
        id = _typed(Digests.basic(p));
    }

    function _typed(bytes32 structHash) internal view returns (bytes32) {
        return Digests.typed(domainSeparator(), structHash);
    }

    /// @dev Both sides agree to a content. A side that sends the transaction, or whose owner does where `ownersCount`,
    /// has agreed by that.
    function _requireBoth(
        Params p,
        bytes32 structHash,
        address sender,
        bool ownersCount,
        Signature calldata alices,
        Signature calldata bobs
    ) internal view {
        bytes32 digest = _typed(structHash);
        if (sender != p.alice() && !(ownersCount && sender == p.aliceOwner())) {
            Signatures.requireSigner(digest, alices, p.alice());
        }
        if (sender != p.bob() && !(ownersCount && sender == p.bobOwner())) {
            Signatures.requireSigner(digest, bobs, p.bob());
        }
    }

    /// @dev Frees what a channel occupies. Until openBefore a tombstone stays, so that no id ever opens twice.
    function _end(bytes32 id, Params p, bool disputed) internal {
        if (disputed) {
            _registers[id] = RegisterWord.wrap(0);
            _checkpoints[id] = CheckpointWord.wrap(0);
        }
        _channels[id] = ChannelWord.wrap(block.timestamp <= p.openBefore() ? CLOSED : NONE);
    }

    /// @dev The id is that of the words as given, so that an entry with words that fit no type is reported, too.
    function _reportFailure(BasicParams calldata params, uint256 index, bytes memory reason) internal {
        emit EntryFailed(_typed(Digests.basic(positionOf(params))), index, reason);
    }

    function _requireUnlocked() private view {
        if (_locked) revert Reentered();
    }
}
