// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BasicParams, Closing, Withdrawal} from "../types/Structs.sol";
import {Params} from "../types/Params.sol";
import {ChannelWord, packChannel} from "../types/ChannelWord.sol";
import {CLOSED, DISPUTE, MAX_AMOUNT, MAX_NONCE, MIN_BASE, NONE, OPEN, ENTRY_FLOOR_GAS} from "../types/Limits.sol";
import {IPerunika} from "../interfaces/IPerunika.sol";
import {Digests} from "../libraries/Digests.sol";
import {SelfCall} from "../libraries/SelfCall.sol";
import {Vault} from "./Vault.sol";

/// @title What both sides, or nobody's signature, can do to a channel while it lives: top up, withdraw, close, sweep.
abstract contract Life is Vault {
    /// @inheritdoc IPerunika
    function topUp(BasicParams calldata params, bool aliceSide, uint128 amount) external payable unlocked {
        (Params p, bytes32 id) = _identify(params);
        _pull(p.asset(), amount);
        ChannelWord word = _channels[id];
        uint8 status = word.status();
        if (status != OPEN && status != DISPUTE) revert WrongStatus(id, status);
        uint256 total = word.total() + amount;
        if (total > MAX_AMOUNT) revert AmountOutOfRange(total, MAX_AMOUNT);
        int256 base = aliceSide ? word.base() + int256(uint256(amount)) : word.base();
        _channels[id] = packChannel(total, base, word.withdrawNonce(), status);
        emit ToppedUp(id, aliceSide, amount);
    }

    /// @inheritdoc IPerunika
    function withdrawFromChannel(BasicParams calldata params, Withdrawal calldata w) external nonReentrant {
        (Params p, bytes32 id) = _identify(params);
        ChannelWord word = _channels[id];
        if (word.status() != OPEN) revert WrongStatus(id, word.status());
        if (block.timestamp > w.validUntil) revert Expired(w.validUntil, block.timestamp);
        uint256 nonce = word.withdrawNonce();
        if (w.nonce != nonce || nonce == MAX_NONCE) revert WrongNonce(w.nonce, nonce);
        bytes32 content = Digests.withdraw(id, w.nonce, w.toAlice, w.toBob, w.validUntil);
        _requireBoth(p, content, msg.sender, true, w.aliceSignature, w.bobSignature);
        uint256 requested = uint256(w.toAlice) + w.toBob;
        int256 base = word.base() - int256(uint256(w.toAlice));
        if (requested > word.total() || base < MIN_BASE) revert Overdrawn(requested, word.total(), base);
        _channels[id] = packChannel(word.total() - requested, base, nonce + 1, OPEN);
        emit Withdrawn(id, w.nonce, w.toAlice, w.toBob);
        _pay(p, w.toAlice, w.toBob);
    }

    /// @inheritdoc IPerunika
    function close(Closing calldata closing) external nonReentrant {
        _close(closing, msg.sender);
    }

    /// @inheritdoc IPerunika
    function closeMany(Closing[] calldata closings) external nonReentrant {
        for (uint256 i = 0; i < closings.length; ++i) {
            if (gasleft() < ENTRY_FLOOR_GAS) revert GasTooLow(gasleft(), ENTRY_FLOOR_GAS);
            bytes memory reason = SelfCall.attempt(this.closeEntry.selector, closings[i]);
            if (reason.length != 0) _reportFailure(closings[i].params, i, reason);
        }
    }

    /// @inheritdoc IPerunika
    function closeEntry(address sender, Closing calldata closing) external onlySelf {
        _close(closing, sender);
    }

    /// @inheritdoc IPerunika
    function sweep(BasicParams calldata params) external unlocked {
        (Params p, bytes32 id) = _identify(params);
        uint8 status = _channels[id].status();
        if (status != CLOSED) revert WrongStatus(id, status);
        if (block.timestamp <= p.openBefore()) revert TooEarly(p.openBefore(), block.timestamp);
        _channels[id] = ChannelWord.wrap(NONE);
        emit Swept(id);
    }

    /// @dev Ends a channel as both agreed.
    function _close(Closing calldata c, address sender) private {
        (Params p, bytes32 id) = _identify(c.params);
        ChannelWord word = _channels[id];
        uint8 status = word.status();
        if (status != OPEN && status != DISPUTE) revert WrongStatus(id, status);
        if (block.timestamp > c.validUntil) revert Expired(c.validUntil, block.timestamp);
        bytes32 content = Digests.close(id, c.net, c.validUntil);
        _requireBoth(p, content, sender, true, c.aliceSignature, c.bobSignature);
        (uint256 toAlice, uint256 toBob) = word.split(word.base() - c.net);
        _end(id, p, status == DISPUTE);
        emit Closed(id, toAlice, toBob);
        _pay(p, toAlice, toBob);
    }
}
