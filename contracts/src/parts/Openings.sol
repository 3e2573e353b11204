// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Funding, Opening} from "../types/Structs.sol";
import {OpenTerms} from "../types/OpenTerms.sol";
import {Params} from "../types/Params.sol";
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
        (Params p, bytes32 id) = _identify(opening.params);
        _pull(p.asset(), opening.terms.memberDeposit());
        _raise(_open(opening, p, id, false));
    }

    /// @inheritdoc IPerunika
    function openWith(Opening calldata opening, Funding calldata funding) external unlocked {
        (Params p, bytes32 id) = _identify(opening.params);
        _pullSigned(id, p.asset(), opening.terms.memberDeposit(), funding);
        _raise(_open(opening, p, id, false));
    }

    /// @inheritdoc IPerunika
    function openMany(Opening[] calldata openings) external payable unlocked {
        if (msg.value != 0) {
            _vaults[msg.sender][Transfers.NATIVE].amount += msg.value;
            emit Deposited(msg.sender, Transfers.NATIVE, msg.value);
        }
        for (uint256 i = 0; i < openings.length; ++i) {
            (Params p, bytes32 id) = _identify(openings[i].params);
            bytes memory fault = _open(openings[i], p, id, true);
            if (fault.length != 0) emit EntryFailed(id, i, fault);
        }
    }

    /// @dev Opens a channel, or says why not and changes nothing. Calls no foreign code.
    function _open(Opening calldata o, Params p, bytes32 id, bool memberFromVault)
        private
        returns (bytes memory fault)
    {
        OpenTerms terms = o.terms;
        uint8 status = _channels[id].status();
        if (status != NONE) return _statusFault(id, status);
        if (block.timestamp > p.openBefore()) return _expiredFault(p.openBefore());
        if (block.timestamp > terms.validUntil()) return _expiredFault(terms.validUntil());
        if (p.unfit(address(this))) return _partiesFault(p);
        if (p.challengeDuration() < minWindow || p.challengeDuration() > maxWindow) return _durationFault(p);
        if (p.asset() != Transfers.NATIVE && p.asset().code.length == 0) return _codeFault(p);
        uint256 total = terms.memberDeposit() + terms.hubDeposit();
        if (total > MAX_AMOUNT) return abi.encodeWithSelector(AmountOutOfRange.selector, total, MAX_AMOUNT);
        if (msg.sender != p.bobOwner()) {
            fault = _hubFault(o, p, id);
            if (fault.length != 0) return fault;
        }
        fault = _debit(p, memberFromVault ? terms.memberDeposit() : 0, terms.hubDeposit());
        if (fault.length != 0) return fault;
        _channels[id] = packChannel(total, int256(terms.memberDeposit()), 0, OPEN);
        emit Opened(id, terms);
    }

    /// @dev Whether the owner of the vault is behind this opening by a signature of its own key or one it has granted.
    function _hubFault(Opening calldata o, Params p, bytes32 id) private view returns (bytes memory fault) {
        if (p.bob() != p.bobOwner() && !operatorOf[p.bobOwner()][p.bob()]) {
            return abi.encodeWithSelector(NotOperator.selector, p.bobOwner(), p.bob());
        }
        return _signerFault(_typed(Digests.open(id, o.terms)), o.hubSignature, p.bob());
    }

    /// @dev Takes both deposits out of the vaults, or says which is too low and takes none.
    function _debit(Params p, uint256 member, uint256 hub) private returns (bytes memory fault) {
        if (msg.sender == p.bobOwner()) {
            hub += member;
            member = 0;
        }
        Balance storage hubVault = _vaults[p.bobOwner()][p.asset()];
        uint256 hubBalance = hubVault.amount;
        if (hubBalance < hub) return _vaultFault(p.bobOwner(), p.asset(), hubBalance, hub);
        if (member != 0) {
            Balance storage own = _vaults[msg.sender][p.asset()];
            if (own.amount < member) return _vaultFault(msg.sender, p.asset(), own.amount, member);
            own.amount -= member;
        }
        if (hub != 0) hubVault.amount = hubBalance - hub;
    }

    function _partiesFault(Params p) private pure returns (bytes memory) {
        return abi.encodeWithSelector(BadParties.selector, p.alice(), p.bob(), p.aliceOwner(), p.bobOwner());
    }

    function _durationFault(Params p) private view returns (bytes memory) {
        return abi.encodeWithSelector(DurationOutOfRange.selector, p.challengeDuration(), minWindow, maxWindow);
    }

    function _codeFault(Params p) private pure returns (bytes memory) {
        return abi.encodeWithSelector(NoCode.selector, p.asset());
    }

    function _vaultFault(address owner, address asset, uint256 balance, uint256 needed)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(VaultTooLow.selector, owner, asset, balance, needed);
    }
}
