// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPerunikaErrors} from "../interfaces/IPerunikaErrors.sol";
import {Signature} from "../types/Structs.sol";

/// @title One form of signature: secp256k1, low s, the parity of v in the highest bit of s; never a call to a contract.
library Signatures {
    /// @dev Half of the order of secp256k1, rounded down.
    uint256 internal constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @dev s and v as other contracts take them.
    function split(Signature calldata signature) internal pure returns (uint8 v, bytes32 s) {
        uint256 vs = uint256(signature.vs);
        unchecked {
            v = uint8((vs >> 255) + 27);
        }
        s = bytes32((vs << 1) >> 1);
    }

    /// @dev Reverts unless `expected`, which is not 0, made the signature.
    function requireSigner(bytes32 digest, Signature calldata signature, address expected) internal view {
        address recovered = recover(digest, signature);
        if (recovered != expected || recovered == address(0)) {
            revert IPerunikaErrors.BadSignature(expected, recovered);
        }
    }

    /// @dev The signer's address, or 0 when the signature is malformed or in high-s form.
    /// The call of ecrecover without the copies that Solidity's makes around it (ADR-0010).
    function recover(bytes32 digest, Signature calldata signature) internal view returns (address signer) {
        (uint8 v, bytes32 s) = split(signature);
        if (uint256(s) > HALF_ORDER) return address(0);
        bytes32 r = signature.r;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, digest)
            mstore(add(free, 32), v)
            mstore(add(free, 64), r)
            mstore(add(free, 96), s)
            mstore(0, 0) // what stays when the precompile answers nothing: no signer
            pop(staticcall(gas(), 1, free, 128, 0, 32))
            signer := mload(0)
        }
    }
}
