// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    BasicParams,
    CheckpointContent,
    CheckpointPost,
    Evidence,
    EvidenceKind,
    NanocontractItem,
    StartPermit
} from "../types/Structs.sol";
import {Params} from "../types/Params.sol";
import {ChannelWord} from "../types/ChannelWord.sol";
import {CheckpointWord, RegisterWord, startRegisters} from "../types/DisputeWords.sol";
import {DISPUTE, MAX_AMOUNT, MAX_BITMAP_BYTES, MAX_VERSION, OPEN} from "../types/Limits.sol";
import {IPerunika} from "../interfaces/IPerunika.sol";
import {Amounts} from "../libraries/Amounts.sol";
import {Digests} from "../libraries/Digests.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Vault} from "./Vault.sol";

/// @title The dispute of a basic channel: a join of signed registers, open for a fixed time, then paid out.
abstract contract Disputes is Vault {
    /// @inheritdoc IPerunika
    function challenge(
        BasicParams calldata params,
        StartPermit calldata start,
        CheckpointPost calldata checkpoint,
        Evidence calldata aliceToBob,
        Evidence calldata bobToAlice
    ) external unlocked {
        (Params p, bytes32 id) = _identify(params);
        RegisterWord registers = _enter(id, p, start);
        _mergeVouchers(id, p, registers, aliceToBob, bobToAlice);
        _mergeCheckpoint(id, p, checkpoint);
    }

    /// @inheritdoc IPerunika
    function settle(
        BasicParams calldata params,
        CheckpointContent calldata checkpoint,
        NanocontractItem[] calldata items
    ) external nonReentrant {
        (Params p, bytes32 id) = _identify(params);
        ChannelWord word = _channels[id];
        if (word.status() != DISPUTE) revert WrongStatus(id, word.status());
        RegisterWord registers = _registers[id];
        if (block.timestamp <= registers.improveUntil()) revert TooEarly(registers.improveUntil(), block.timestamp);
        _requirePosted(id, checkpoint);
        if (items.length != 0) revert UnknownNanocontract(id, items[0].nid);
        int256 claim = word.base() - int256(registers.aliceToBob()) + int256(registers.bobToAlice()) - checkpoint.net;
        (uint256 toAlice, uint256 toBob) = word.split(claim);
        _end(id, p, true);
        emit Settled(id, toAlice, toBob, true);
        _pay(p, toAlice, toBob);
    }

    /// @dev The registers of the dispute, begun now if the channel is open and the sender may.
    function _enter(bytes32 id, Params p, StartPermit calldata start) private returns (RegisterWord registers) {
        ChannelWord word = _channels[id];
        uint8 status = word.status();
        if (status == OPEN) {
            _requireMayStart(id, p, start);
            registers = _start(id, word, p.challengeDuration());
        } else {
            if (status != DISPUTE) revert WrongStatus(id, status);
            registers = _registers[id];
            if (block.timestamp > registers.evidenceUntil()) {
                revert Expired(registers.evidenceUntil(), block.timestamp);
            }
        }
    }

    function _start(bytes32 id, ChannelWord word, uint256 duration) private returns (RegisterWord registers) {
        uint256 until = block.timestamp + duration;
        if (until > type(uint32).max) revert AmountOutOfRange(until, type(uint32).max);
        registers = startRegisters(until);
        _channels[id] = word.withStatus(DISPUTE);
        _registers[id] = registers;
        emit Disputed(id, until);
    }

    /// @dev Only the four addresses of a channel, or an agent that a party has sent by a signed Start.
    function _requireMayStart(bytes32 id, Params p, StartPermit calldata start) private view {
        if (msg.sender == p.alice() || msg.sender == p.bob()) return;
        if (msg.sender == p.aliceOwner() || msg.sender == p.bobOwner()) return;
        if (msg.sender != start.agent) revert NotAParty(msg.sender);
        if (block.timestamp > start.validUntil) revert Expired(start.validUntil, block.timestamp);
        bytes32 digest = _typed(Digests.start(id, start.agent, start.validUntil));
        address signer = Signatures.recover(digest, start.signature);
        if (signer == address(0) || (signer != p.alice() && signer != p.bob())) revert BadStart(signer);
    }

    /// @dev Keeps the highest amount each way; what is lower or equal changes nothing.
    function _mergeVouchers(
        bytes32 id,
        Params p,
        RegisterWord registers,
        Evidence calldata aliceToBob,
        Evidence calldata bobToAlice
    ) private {
        uint256 ab = _higher(registers.aliceToBob(), id, p.alice(), aliceToBob);
        uint256 ba = _higher(registers.bobToAlice(), id, p.bob(), bobToAlice);
        if (ab == registers.aliceToBob() && ba == registers.bobToAlice()) return;
        _registers[id] = registers.withVouchers(ab, ba);
        emit VouchersMerged(id, ab, ba);
    }

    function _higher(uint256 current, bytes32 id, address signer, Evidence calldata e) private view returns (uint256) {
        if (e.kind == EvidenceKind.NONE) return current;
        uint256 amount = Amounts.amountOf(domainSeparator(), id, signer, e);
        return amount > current ? amount : current;
    }

    /// @dev Keeps the highest checkpoint; one that is not higher is not even looked at.
    function _mergeCheckpoint(bytes32 id, Params p, CheckpointPost calldata c) private {
        if (c.version == 0) return;
        CheckpointWord word = _checkpoints[id];
        if (c.version <= word.version()) return;
        if (c.version > MAX_VERSION) revert VersionOutOfRange(c.version);
        _requireNet(c.net);
        uint256 length = c.retired.length;
        if (length > MAX_BITMAP_BYTES || (length != 0 && c.retired[length - 1] == 0)) revert BadBitmap(length);
        bytes32 retiredHash = keccak256(c.retired);
        bytes32 content = Digests.checkpoint(id, c.version, c.net, c.floor, retiredHash);
        _requireBoth(p, content, msg.sender, false, c.aliceSignature, c.bobSignature);
        _checkpoints[id] = word.withContent(c.version, _contentHash(c.net, c.floor, retiredHash));
        emit Checkpointed(id, c.version, c.net, c.floor, c.retired);
    }

    function _requireNet(int256 net) private pure {
        int256 bound = int256(MAX_AMOUNT);
        if (net > bound || net < -bound) revert NetOutOfRange(net, MAX_AMOUNT);
    }

    /// @dev Whether the content repeated by the caller is the posted one, or empty when none was posted.
    function _requirePosted(bytes32 id, CheckpointContent calldata c) private view {
        CheckpointWord word = _checkpoints[id];
        bool empty = c.net == 0 && c.floor == 0 && c.retired.length == 0;
        bytes24 given = word.version() == 0 && empty ? bytes24(0) : _contentHash(c.net, c.floor, keccak256(c.retired));
        if (given != word.contentHash()) revert WrongCheckpoint(given, word.contentHash());
    }

    function _contentHash(int128 net, uint64 floor, bytes32 retiredHash) private pure returns (bytes24) {
        return bytes24(keccak256(abi.encode(net, floor, retiredHash)));
    }
}
