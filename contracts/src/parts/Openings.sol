// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BasicParams, Funding, Opening} from "../types/Structs.sol";
import {packChannel} from "../types/ChannelWord.sol";
import {MAX_AMOUNT, NONE, OPEN} from "../types/Limits.sol";
import {IPerunika} from "../interfaces/IPerunika.sol";
import {Digests} from "../libraries/Digests.sol";
import {Transfers} from "../libraries/Transfers.sol";
import {Vault} from "./Vault.sol";

/// @title How channels begin: one call that funds both sides or does nothing.
abstract contract Openings is Vault {
    /// @inheritdoc IPerunika
    function open(Opening calldata opening) external payable unlocked {
        _pull(opening.params.asset, opening.memberDeposit);
        _raise(_open(opening, basicId(opening.params), false));
    }

    /// @inheritdoc IPerunika
    function openWith(Opening calldata opening, Funding calldata funding) external unlocked {
        bytes32 id = basicId(opening.params);
        _pullSigned(id, opening.params.asset, opening.memberDeposit, funding);
        _raise(_open(opening, id, false));
    }

    /// @inheritdoc IPerunika
    function openMany(Opening[] calldata openings) external payable unlocked {
        if (msg.value != 0) {
            vault[msg.sender][Transfers.NATIVE] += msg.value;
            emit Deposited(msg.sender, Transfers.NATIVE, msg.value);
        }
        for (uint256 i = 0; i < openings.length; ++i) {
            bytes32 id = basicId(openings[i].params);
            bytes memory fault = _open(openings[i], id, true);
            if (fault.length != 0) emit EntryFailed(id, i, fault);
        }
    }

    /// @dev Opens a channel, or says why not and changes nothing. Calls no foreign code.
    function _open(Opening calldata o, bytes32 id, bool memberFromVault) private returns (bytes memory fault) {
        BasicParams calldata p = o.params;
        uint8 status = _channels[id].status();
        if (status != NONE) return _statusFault(id, status);
        if (block.timestamp > p.openBefore) return _expiredFault(p.openBefore);
        if (block.timestamp > o.validUntil) return _expiredFault(o.validUntil);
        fault = _paramsFault(p);
        if (fault.length != 0) return fault;
        uint256 total = uint256(o.memberDeposit) + o.hubDeposit;
        if (total > MAX_AMOUNT) return abi.encodeWithSelector(AmountOutOfRange.selector, total, MAX_AMOUNT);
        fault = _hubFault(o, id);
        if (fault.length != 0) return fault;
        fault = _debit(p, memberFromVault ? o.memberDeposit : 0, o.hubDeposit);
        if (fault.length != 0) return fault;
        _channels[id] = packChannel(total, int256(uint256(o.memberDeposit)), 0, OPEN);
        emit Opened(id, o.memberDeposit, o.hubDeposit);
    }

    function _paramsFault(BasicParams calldata p) private view returns (bytes memory fault) {
        bool missing =
            p.alice == address(0) || p.bob == address(0) || p.aliceOwner == address(0) || p.bobOwner == address(0);
        if (missing || p.alice == p.bob || p.aliceOwner == address(this) || p.bobOwner == address(this)) {
            return abi.encodeWithSelector(BadParties.selector, p.alice, p.bob, p.aliceOwner, p.bobOwner);
        }
        if (p.challengeDuration < minWindow || p.challengeDuration > maxWindow) {
            return abi.encodeWithSelector(DurationOutOfRange.selector, p.challengeDuration, minWindow, maxWindow);
        }
        if (p.asset != Transfers.NATIVE && p.asset.code.length == 0) {
            return abi.encodeWithSelector(NoCode.selector, p.asset);
        }
    }

    /// @dev Whether the owner of the vault is behind this opening: it sends it, or signed with a key it has granted.
    function _hubFault(Opening calldata o, bytes32 id) private view returns (bytes memory fault) {
        BasicParams calldata p = o.params;
        if (msg.sender == p.bobOwner) return fault;
        if (p.bob != p.bobOwner && !operatorOf[p.bobOwner][p.bob]) {
            return abi.encodeWithSelector(NotOperator.selector, p.bobOwner, p.bob);
        }
        bytes32 digest = _typed(Digests.open(id, o.memberDeposit, o.hubDeposit, o.validUntil));
        return _signerFault(digest, o.hubSignature, p.bob);
    }

    /// @dev Takes both deposits out of the vaults, or says which is too low and takes none.
    function _debit(BasicParams calldata p, uint256 member, uint256 hub) private returns (bytes memory fault) {
        if (msg.sender == p.bobOwner) {
            hub += member;
            member = 0;
        }
        uint256 hubBalance = vault[p.bobOwner][p.asset];
        if (hubBalance < hub) return _vaultFault(p.bobOwner, p.asset, hubBalance, hub);
        if (member != 0) {
            uint256 balance = vault[msg.sender][p.asset];
            if (balance < member) return _vaultFault(msg.sender, p.asset, balance, member);
            vault[msg.sender][p.asset] = balance - member;
        }
        if (hub != 0) vault[p.bobOwner][p.asset] = hubBalance - hub;
    }

    function _vaultFault(address owner, address asset, uint256 balance, uint256 needed)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(VaultTooLow.selector, owner, asset, balance, needed);
    }
}
