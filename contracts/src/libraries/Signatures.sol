// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signature} from "../types/Structs.sol";

/// @title One form of signature: secp256k1, low s, v 27 or 28; never a call to a contract.
library Signatures {
    /// @dev Half of the order of secp256k1, rounded down.
    uint256 internal constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @dev The signer's address, or 0 when the signature is malformed or in high-s form.
    function recover(bytes32 digest, Signature calldata signature) internal pure returns (address) {
        if (uint256(signature.s) > HALF_ORDER) return address(0);
        return ecrecover(digest, signature.v, signature.r, signature.s);
    }
}
