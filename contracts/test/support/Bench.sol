// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "../../src/libraries/Digests.sol";
import {Signatures} from "../../src/libraries/Signatures.sol";
import {OpenTerms} from "../../src/types/OpenTerms.sol";
import {Params, locate} from "../../src/types/Params.sol";
import {BasicParams, Signature, VirtualParams} from "../../src/types/Structs.sol";

/// @title Reaches the internal functions whose assembly is held against plain Solidity.
contract Bench {
    function fields(BasicParams calldata source) external pure returns (BasicParams memory) {
        Params p = locate(source);
        return BasicParams(
            p.alice(),
            p.bob(),
            p.aliceOwner(),
            p.bobOwner(),
            p.asset(),
            uint32(p.challengeDuration()),
            uint40(p.openBefore()),
            source.salt
        );
    }

    function unfit(BasicParams calldata source, address self) external pure returns (bool) {
        return locate(source).unfit(self);
    }

    function basic(BasicParams calldata source) external pure returns (bytes32) {
        return Digests.basic(locate(source));
    }

    function virtualParams(VirtualParams calldata v) external pure returns (bytes32) {
        return Digests.virtualParams(v);
    }

    function typed(bytes32 separator, bytes32 structHash) external pure returns (bytes32) {
        return Digests.typed(separator, structHash);
    }

    function domain(address verifier) external view returns (bytes32) {
        return Digests.domain(verifier);
    }

    function open(bytes32 id, OpenTerms terms) external pure returns (bytes32) {
        return Digests.open(id, terms);
    }

    function close(bytes32 id, int128 net, uint64 validUntil) external pure returns (bytes32) {
        return Digests.close(id, net, validUntil);
    }

    function voucher(bytes32 id, uint128 amount) external pure returns (bytes32) {
        return Digests.voucher(id, amount);
    }

    function tickChain(bytes32 id, uint128 base, uint128 unit, uint32 length, bytes32 root)
        external
        pure
        returns (bytes32)
    {
        return Digests.tickChain(id, base, unit, length, root);
    }

    function checkpoint(bytes32 id, uint64 version, int128 net, uint64 floor, bytes calldata retired)
        external
        pure
        returns (bytes32)
    {
        return Digests.checkpoint(id, version, net, floor, keccak256(retired));
    }

    function withdraw(bytes32 id, uint32 nonce, uint128 toAlice, uint128 toBob, uint64 validUntil)
        external
        pure
        returns (bytes32)
    {
        return Digests.withdraw(id, nonce, toAlice, toBob, validUntil);
    }

    function start(bytes32 id, address agent, uint64 validUntil) external pure returns (bytes32) {
        return Digests.start(id, agent, validUntil);
    }

    function fund(bytes32 id, address from, uint128 amount, uint64 validUntil) external pure returns (bytes32) {
        return Digests.fund(id, from, amount, validUntil);
    }

    function recover(bytes32 digest, Signature calldata signature) external view returns (address) {
        return Signatures.recover(digest, signature);
    }
}
