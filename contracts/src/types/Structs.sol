// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OpenTerms} from "./OpenTerms.sol";

// What calls carry. Amounts are in the smallest unit of the asset, times in Unix seconds.
// Every struct but the checkpoint is made of fixed words: decoding is cheap and has one form only.

/// @dev A 65-byte signature r, s, v (s low, v 27 or 28) in the two words of EIP-2098: vs = s | (v - 27) << 255.
/// Both are 0 where no signature is needed.
struct Signature {
    bytes32 r;
    bytes32 vs;
}

/// @dev A basic channel for its whole life; its EIP-712 digest is the channel id. alice = member, bob = hub.
struct BasicParams {
    address alice;
    address bob;
    address aliceOwner;
    address bobOwner;
    address asset; // 0 = native coin
    uint32 challengeDuration;
    uint40 openBefore;
    bytes32 salt;
}

/// @dev A virtual channel; its EIP-712 digest is the virtual id. salt = keccak256(payerRandom, payeeNonce).
struct VirtualParams {
    bytes32 payerChannel;
    bytes32 payeeChannel;
    address payer;
    address payee;
    uint128 payerCapacity;
    uint128 payeeCapacity;
    uint64 validity;
    uint32 window;
    bytes32 salt;
}

/// @dev One opening: what both sides put in, and the hub's signature on Open (zero when bobOwner sends).
struct Opening {
    BasicParams params;
    OpenTerms terms;
    Signature hubSignature;
}

/// @dev Where a token deposit comes from when it is not the caller's plain allowance.
enum FundingKind {
    PERMIT, // the caller's EIP-2612 permit for exactly the deposit, then its allowance; a failing permit is ignored
    AUTHORIZATION, // EIP-3009 receiveWithAuthorization of `from`, validAfter 0, nonce keccak256(channelId, amount)
    FUND // the allowance of `from`, which signed Fund{channelId, from, amount, validUntil}
}

/// @dev `from` is ignored for PERMIT. validUntil is the permit's deadline, the authorisation's validBefore, or Fund's.
struct Funding {
    FundingKind kind;
    address from;
    uint64 validUntil;
    Signature signature;
}

/// @dev A co-signed withdrawal while the channel goes on.
struct Withdrawal {
    uint32 nonce;
    uint128 toAlice;
    uint128 toBob;
    uint64 validUntil;
    Signature aliceSignature;
    Signature bobSignature;
}

/// @dev A co-signed end: net is everything that went from alice to bob off chain, life long.
struct Closing {
    BasicParams params;
    int128 net;
    uint64 validUntil;
    Signature aliceSignature;
    Signature bobSignature;
}

/// @dev Leave for `agent` to start a dispute, signed Start; agent 0 = none given.
struct StartPermit {
    address agent;
    uint64 validUntil;
    Signature signature;
}

enum EvidenceKind {
    NONE,
    VOUCHER,
    TICK
}

/// @dev What a payer signed. Voucher: amount = cumulativeAmount, the four tick fields and preimage are 0.
/// Tick: amount = base of the chain, and SHA-256 applied `index` times to `preimage` gives `root`.
struct Evidence {
    EvidenceKind kind;
    uint128 amount;
    uint128 unit;
    uint32 length;
    uint32 index;
    bytes32 root;
    bytes32 preimage;
    Signature signature;
}

/// @dev A checkpoint as posted; version 0 = none given. Bit i of retired = byte i / 8, least significant bit first;
/// bit i retires nid floor + i, and every nid below floor is retired.
struct CheckpointPost {
    uint64 version;
    int128 net;
    uint64 floor;
    bytes retired;
    Signature aliceSignature;
    Signature bobSignature;
}

/// @dev The content of the posted checkpoint, repeated by whoever settles; all zero if none was posted.
struct CheckpointContent {
    int128 net;
    uint64 floor;
    bytes retired;
}

/// @dev The content of a registered nanocontract, repeated by whoever settles. leg is all zero unless app is 0 or 1.
struct NanocontractItem {
    uint64 nid;
    int128 blockedAlice;
    int128 blockedBob;
    address app;
    bytes32 state;
    uint32 runTime;
    VirtualParams leg;
}

/// @dev What is stored of an open channel, unpacked. base = alice's deposits - her withdrawals.
struct ChannelView {
    uint96 total;
    int128 base;
    uint24 withdrawNonce;
    uint8 status;
}

/// @dev What is stored of a dispute, unpacked; all zero outside one.
struct DisputeView {
    uint96 aliceToBob;
    uint96 bobToAlice;
    uint32 evidenceUntil; // t1
    uint32 improveUntil; // t2; settle after it
    uint40 checkpointVersion;
    uint24 nanocontracts;
    bytes24 checkpointHash;
}
