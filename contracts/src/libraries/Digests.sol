// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BasicParams, VirtualParams} from "../types/Structs.sol";

/// @title Everything that is ever signed under the domain {"Perunika", "1", chainId, contract}: type hashes and digests.
library Digests {
    bytes32 internal constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant BASIC_PARAMS = keccak256(
        "BasicParams(address alice,address bob,address aliceOwner,address bobOwner,address asset,uint32 challengeDuration,uint40 openBefore,bytes32 salt)"
    );
    bytes32 internal constant VIRTUAL_PARAMS = keccak256(
        "VirtualParams(bytes32 payerChannel,bytes32 payeeChannel,address payer,address payee,uint128 payerCapacity,uint128 payeeCapacity,uint64 validity,uint32 window,bytes32 salt)"
    );
    bytes32 internal constant VOUCHER = keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");
    bytes32 internal constant TICK_CHAIN =
        keccak256("TickChain(bytes32 channelId,uint128 base,uint128 unit,uint32 length,bytes32 root)");
    bytes32 internal constant NANOCONTRACT = keccak256(
        "Nanocontract(bytes32 channelId,uint64 nid,uint64 version,int128 blockedAlice,int128 blockedBob,address app,bytes32 state,uint32 runTime)"
    );
    bytes32 internal constant CHECKPOINT =
        keccak256("Checkpoint(bytes32 channelId,uint64 version,int128 net,uint64 floor,bytes retired)");
    bytes32 internal constant OPEN =
        keccak256("Open(bytes32 channelId,uint128 memberDeposit,uint128 hubDeposit,uint64 validUntil)");
    bytes32 internal constant WITHDRAW =
        keccak256("Withdraw(bytes32 channelId,uint32 nonce,uint128 toAlice,uint128 toBob,uint64 validUntil)");
    bytes32 internal constant CLOSE = keccak256("Close(bytes32 channelId,int128 net,uint64 validUntil)");
    bytes32 internal constant START = keccak256("Start(bytes32 id,address agent,uint64 validUntil)");
    bytes32 internal constant FINISH = keccak256("Finish(bytes32 virtualId)");
    bytes32 internal constant ACTION =
        keccak256("Action(bytes32 channelId,uint64 nid,uint32 step,bytes32 stateHash,bytes32 inputHash)");
    bytes32 internal constant FUND = keccak256("Fund(bytes32 channelId,address from,uint128 amount,uint64 validUntil)");

    /// @dev The separator of `verifier` on this chain.
    function domain(address verifier) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, keccak256("Perunika"), keccak256("1"), block.chainid, verifier));
    }

    /// @dev What is signed: the EIP-712 digest of a struct hash.
    function typed(bytes32 separator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", separator, structHash));
    }

    function basic(BasicParams calldata p) internal pure returns (bytes32) {
        return keccak256(abi.encode(BASIC_PARAMS, p));
    }

    function virtualParams(VirtualParams calldata v) internal pure returns (bytes32) {
        return keccak256(abi.encode(VIRTUAL_PARAMS, v));
    }

    function voucher(bytes32 id, uint128 amount) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER, id, amount));
    }

    function tickChain(bytes32 id, uint128 base, uint128 unit, uint32 length, bytes32 root)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(TICK_CHAIN, id, base, unit, length, root));
    }

    function checkpoint(bytes32 id, uint64 version, int128 net, uint64 floor, bytes32 retiredHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(CHECKPOINT, id, version, net, floor, retiredHash));
    }

    function open(bytes32 id, uint128 memberDeposit, uint128 hubDeposit, uint64 validUntil)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(OPEN, id, memberDeposit, hubDeposit, validUntil));
    }

    function withdraw(bytes32 id, uint32 nonce, uint128 toAlice, uint128 toBob, uint64 validUntil)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(WITHDRAW, id, nonce, toAlice, toBob, validUntil));
    }

    function close(bytes32 id, int128 net, uint64 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLOSE, id, net, validUntil));
    }

    function start(bytes32 id, address agent, uint64 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(START, id, agent, validUntil));
    }

    function fund(bytes32 id, address from, uint128 amount, uint64 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(FUND, id, from, amount, validUntil));
    }
}
