// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Params} from "../types/Params.sol";
import {VaultWord} from "../types/VaultWord.sol";
import {Funding, FundingKind} from "../types/Structs.sol";
import {IERC20} from "../interfaces/IERC20.sol";
import {IPerunika} from "../interfaces/IPerunika.sol";
import {Digests} from "../libraries/Digests.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Transfers} from "../libraries/Transfers.sol";
import {State} from "./State.sol";

/// @title Money in and out: vaults, deposits from outside, payouts that cannot be blocked.
abstract contract Vault is State {
    /// @inheritdoc IPerunika
    function deposit(address owner, address asset, uint256 amount) external payable unlocked {
        _pull(asset, amount);
        _credit(owner, asset, amount);
        emit Deposited(owner, asset, amount);
    }

    /// @inheritdoc IPerunika
    function withdrawVault(address asset, uint256 amount, address to) external nonReentrant {
        _debit(msg.sender, asset, amount);
        emit VaultWithdrawn(msg.sender, asset, to, amount);
        Transfers.send(asset, to, amount);
    }

    /// @inheritdoc IPerunika
    function setOperator(address key, bool on) external unlocked {
        operatorOf[msg.sender][key] = on;
        Balance storage coin = _vaults[msg.sender][Transfers.NATIVE];
        VaultWord word = coin.word;
        if (on) coin.word = word.withOperator(key);
        else if (word.isOperator(key)) coin.word = word.withOperator(address(0));
        emit OperatorSet(msg.sender, key, on);
    }

    /// @inheritdoc IPerunika
    function pushClaim(address owner, address asset) external nonReentrant {
        uint256 amount = claims[owner][asset];
        delete claims[owner][asset];
        emit ClaimPaid(owner, asset, amount);
        Transfers.send(asset, owner, amount);
    }

    /// @dev Takes exactly `amount` from the sender: the coin sent along, or its allowance.
    function _pull(address asset, uint256 amount) internal {
        if (asset == Transfers.NATIVE) {
            if (msg.value != amount) revert WrongValue(msg.value, amount);
        } else {
            if (msg.value != 0) revert WrongValue(msg.value, 0);
            _pullToken(asset, msg.sender, amount);
        }
    }

    /// @dev Takes exactly `amount` of a token under the signature that `funding` carries; all commit to this channel.
    function _pullSigned(bytes32 id, address asset, uint256 amount, Funding calldata funding) internal {
        if (funding.kind == FundingKind.PERMIT) {
            _permit(asset, amount, funding);
            _pullToken(asset, msg.sender, amount);
        } else if (funding.kind == FundingKind.AUTHORIZATION) {
            _pullAuthorized(id, asset, amount, funding);
        } else {
            if (block.timestamp > funding.validUntil) revert Expired(funding.validUntil, block.timestamp);
            bytes32 digest = _typed(Digests.fund(id, funding.from, amount, funding.validUntil));
            Signatures.requireSigner(digest, funding.signature, funding.from);
            _pullToken(asset, funding.from, amount);
        }
    }

    function _credit(address owner, address asset, uint256 amount) internal {
        Balance storage balance = _vaults[owner][asset];
        balance.word = balance.word.plus(amount);
    }

    function _debit(address owner, address asset, uint256 amount) internal {
        Balance storage balance = _vaults[owner][asset];
        balance.word = _less(balance.word, owner, asset, amount);
    }

    /// @dev The word of a vault after taking `amount` out of it.
    function _less(VaultWord word, address owner, address asset, uint256 amount) internal pure returns (VaultWord) {
        uint256 available = word.amount(asset);
        if (available < amount) revert VaultTooLow(owner, asset, available, amount);
        return word.minus(amount);
    }

    /// @dev Pays the two sides. bob's part stays in the contract; alice's is sent, or waits as a claim if refused.
    function _pay(Params p, uint256 toAlice, uint256 toBob) internal {
        if (toBob != 0) _credit(p.bobOwner(), p.asset(), toBob);
        if (toAlice != 0 && !Transfers.trySend(p.asset(), p.aliceOwner(), toAlice)) {
            claims[p.aliceOwner()][p.asset()] += toAlice;
            emit ClaimRecorded(p.aliceOwner(), p.asset(), toAlice);
        }
    }

    /// @dev A permit that somebody else has already used still leaves the allowance, so its failure says nothing.
    function _permit(address asset, uint256 amount, Funding calldata f) private nonReentrant {
        if (asset.code.length == 0) revert NoCode(asset);
        (uint8 v, bytes32 s) = Signatures.split(f.signature);
        IERC20 token = IERC20(asset);
        try token.permit(msg.sender, address(this), amount, f.validUntil, v, f.signature.r, s) {} catch {}
    }

    /// @dev The nonce commits the authorisation to this channel and amount.
    function _pullAuthorized(bytes32 id, address asset, uint256 amount, Funding calldata f) private nonReentrant {
        uint256 before = _balance(asset);
        (uint8 v, bytes32 s) = Signatures.split(f.signature);
        bytes32 nonce = keccak256(abi.encode(id, amount));
        IERC20 token = IERC20(asset);
        token.receiveWithAuthorization(f.from, address(this), amount, 0, f.validUntil, nonce, v, f.signature.r, s);
        _requireRaised(asset, before, amount);
    }

    function _pullToken(address asset, address from, uint256 amount) private nonReentrant {
        uint256 before = _balance(asset);
        (bool done, bytes memory answer) =
            asset.call(abi.encodeCall(IERC20.transferFrom, (from, address(this), amount)));
        bool agreed = answer.length == 0 || (answer.length >= 32 && abi.decode(answer, (uint256)) == 1);
        if (!done || !agreed) revert TransferFailed(asset, from, address(this), amount);
        _requireRaised(asset, before, amount);
    }

    function _balance(address asset) private view returns (uint256) {
        if (asset.code.length == 0) revert NoCode(asset);
        return IERC20(asset).balanceOf(address(this));
    }

    function _requireRaised(address asset, uint256 before, uint256 amount) private view {
        uint256 received = IERC20(asset).balanceOf(address(this)) - before;
        if (received != amount) revert WrongDeposit(asset, amount, received);
    }
}
