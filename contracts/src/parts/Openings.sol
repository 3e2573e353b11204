// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Funding, Opening} from "../types/Structs.sol";
import {OpenTerms} from "../types/OpenTerms.sol";
import {Params} from "../types/Params.sol";
import {VaultWord} from "../types/VaultWord.sol";
import {packChannel} from "../types/ChannelWord.sol";
import {MAX_AMOUNT, NONE, OPEN} from "../types/Limits.sol";
import {IPerunika} from "../interfaces/IPerunika.sol";
import {Digests} from "../libraries/Digests.sol";
import {SelfCall} from "../libraries/SelfCall.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Transfers} from "../libraries/Transfers.sol";
import {Vault} from "./Vault.sol";

/// @title How channels begin: one call that funds both sides or does nothing.
abstract contract Openings is Vault {
    /// @inheritdoc IPerunika
    function open(Opening calldata opening) external payable unlocked {
        (Params p, bytes32 id) = _identify(opening.params);
        _pull(p.asset(), opening.terms.memberDeposit());
        _open(opening, p, id, msg.sender);
    }

    /// @inheritdoc IPerunika
    function openWith(Opening calldata opening, Funding calldata funding) external unlocked {
        (Params p, bytes32 id) = _identify(opening.params);
        _pullSigned(id, p.asset(), opening.terms.memberDeposit(), funding);
        _open(opening, p, id, msg.sender);
    }

    /// @inheritdoc IPerunika
    function openMany(Opening[] calldata openings) external payable unlocked {
        if (msg.value != 0) {
            _credit(msg.sender, Transfers.NATIVE, msg.value);
            emit Deposited(msg.sender, Transfers.NATIVE, msg.value);
        }
        for (uint256 i = 0; i < openings.length; ++i) {
            bytes memory reason = SelfCall.attempt(this.openEntry.selector, openings[i]);
            if (reason.length != 0) _reportFailure(openings[i].params, i, reason);
        }
    }

    /// @inheritdoc IPerunika
    function openEntry(address sender, Opening calldata opening) external onlySelf {
        (Params p, bytes32 id) = _identify(opening.params);
        uint256 deposit = opening.terms.memberDeposit();
        if (deposit != 0) _debit(sender, p.asset(), deposit);
        _open(opening, p, id, sender);
    }

    /// @dev Opens a channel whose member's deposit has been taken. Calls no foreign code.
    function _open(Opening calldata o, Params p, bytes32 id, address sender) private {
        OpenTerms terms = o.terms;
        uint8 status = _channels[id].status();
        if (status != NONE) revert WrongStatus(id, status);
        if (block.timestamp > p.openBefore()) revert Expired(p.openBefore(), block.timestamp);
        if (block.timestamp > terms.validUntil()) revert Expired(terms.validUntil(), block.timestamp);
        _requireFit(p);
        uint256 total = terms.sum();
        if (total > MAX_AMOUNT) revert AmountOutOfRange(total, MAX_AMOUNT);
        _takeHubDeposit(o, p, id, sender);
        _channels[id] = packChannel(total, int256(terms.memberDeposit()), 0, OPEN);
        emit Opened(id, terms);
    }

    function _requireFit(Params p) private view {
        if (p.unfit(address(this))) revert BadParties(p.alice(), p.bob(), p.aliceOwner(), p.bobOwner());
        uint256 duration = p.challengeDuration();
        if (duration < minWindow || duration > maxWindow) revert DurationOutOfRange(duration, minWindow, maxWindow);
        address asset = p.asset();
        if (asset != Transfers.NATIVE && asset.code.length == 0) revert NoCode(asset);
    }

    /// @dev Takes the hub's deposit out of the vault of bobOwner, who sends this opening, or whose grant to bob, and
    /// bob's signature, stand behind it.
    function _takeHubDeposit(Opening calldata o, Params p, bytes32 id, address sender) private {
        address bobOwner = p.bobOwner();
        address asset = p.asset();
        Balance storage balance = _vaults[bobOwner][asset];
        VaultWord word = balance.word;
        if (sender != bobOwner) {
            address bob = p.bob();
            _requireGrant(bobOwner, bob, asset == Transfers.NATIVE && word.isOperator(bob));
            Signatures.requireSigner(_typed(Digests.open(id, o.terms)), o.hubSignature, bob);
        }
        uint256 deposit = o.terms.hubDeposit();
        if (deposit != 0) balance.word = _less(word, bobOwner, asset, deposit);
    }

    function _requireGrant(address bobOwner, address bob, bool named) private view {
        if (bob == bobOwner || named || operatorOf[bobOwner][bob]) return;
        revert NotOperator(bobOwner, bob);
    }
}
