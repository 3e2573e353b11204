// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title EIP-712 type hashes of everything that the contract takes under a signature.
library TypeHashes {
    bytes32 internal constant DOMAIN =
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
}
