// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence, EvidenceKind} from "../types/Structs.sol";
import {MAX_AMOUNT, MAX_TICKS} from "../types/Limits.sol";
import {IPerunikaErrors} from "../interfaces/IPerunikaErrors.sol";
import {Digests} from "./Digests.sol";
import {Signatures} from "./Signatures.sol";

/// @title What a piece of evidence is worth, for basic and virtual channels alike.
library Amounts {
    /// @dev The cumulative amount that `signer` has signed away in channel `id`; reverts on anything not signed so.
    function amountOf(bytes32 domain, bytes32 id, address signer, Evidence calldata e) internal view returns (uint256) {
        bool isVoucher = e.kind == EvidenceKind.VOUCHER;
        uint256 amount = isVoucher ? e.amount : tickAmount(e);
        if (amount > MAX_AMOUNT) revert IPerunikaErrors.AmountOutOfRange(amount, MAX_AMOUNT);
        bytes32 content =
            isVoucher ? Digests.voucher(id, e.amount) : Digests.tickChain(id, e.amount, e.unit, e.length, e.root);
        Signatures.requireSigner(Digests.typed(domain, content), e.signature, signer);
        return amount;
    }

    /// @dev base + index * unit in 256 bits, once the preimage is shown to be `index` steps before the root.
    function tickAmount(Evidence calldata e) private pure returns (uint256) {
        if (e.length > MAX_TICKS || e.index > e.length) revert IPerunikaErrors.BadTick(e.index, e.length);
        bytes32 reached = e.preimage;
        for (uint256 i = 0; i < e.index; ++i) {
            reached = sha256(abi.encodePacked(reached));
        }
        if (reached != e.root) revert IPerunikaErrors.WrongRoot(reached, e.root);
        return uint256(e.amount) + uint256(e.index) * e.unit;
    }
}
