// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPerunikaErrors} from "../../src/interfaces/IPerunikaErrors.sol";
import {IPerunikaEvents} from "../../src/interfaces/IPerunikaEvents.sol";
import {TypeHashes} from "../../src/libraries/TypeHashes.sol";
import {Perunika} from "../../src/Perunika.sol";
import {OpenTerms} from "../../src/types/OpenTerms.sol";
import {
    BasicParams,
    CheckpointContent,
    CheckpointPost,
    Closing,
    Evidence,
    EvidenceKind,
    NanocontractItem,
    Opening,
    Signature,
    StartPermit,
    Withdrawal
} from "../../src/types/Structs.sol";
import {TestToken} from "./TestToken.sol";
import {vm} from "./Vm.sol";

/// @title The cast: a member (alice) with her owner, a hub (bob) with its vault owner, a stranger; and what they sign.
abstract contract World is IPerunikaErrors, IPerunikaEvents {
    uint256 internal constant ALICE_KEY = 0xA11CE;
    uint256 internal constant HUB_KEY = 0xB0B;
    uint256 internal constant STRANGER_KEY = 0x57A6;
    uint40 internal constant START_TIME = 1_800_000_000;
    uint40 internal constant OPEN_BEFORE = START_TIME + 1 days;
    uint64 internal constant VALID = START_TIME + 30 days;
    uint32 internal constant DURATION = 1 hours;
    uint32 internal constant MIN_WINDOW = 60;
    uint32 internal constant MAX_WINDOW = 30 days;
    address internal constant NATIVE = address(0);
    uint256 internal constant MAX = type(uint96).max;

    address internal alice = vm.addr(ALICE_KEY);
    address internal hub = vm.addr(HUB_KEY);
    address internal stranger = vm.addr(STRANGER_KEY);
    address internal aliceOwner = address(0xA0A0A0);
    address internal hubOwner = address(0xB0B0B0);
    Perunika internal perunika;
    TestToken internal token;
    uint256 private _salt;

    function setUp() public virtual {
        vm.warp(START_TIME);
        perunika = new Perunika(MIN_WINDOW, MAX_WINDOW);
        token = new TestToken();
        vm.deal(hubOwner, 1000 ether);
        vm.deal(aliceOwner, 1000 ether);
        vm.deal(stranger, 1000 ether);
        token.mint(hubOwner, 1e24);
        token.mint(aliceOwner, 1e24);
        vm.startPrank(hubOwner);
        perunika.deposit{value: 100 ether}(hubOwner, NATIVE, 100 ether);
        token.approve(address(perunika), type(uint256).max);
        perunika.deposit(hubOwner, address(token), 1e23);
        perunika.setOperator(hub, true);
        vm.stopPrank();
    }

    // --- parameters and ids

    function coinParams() internal returns (BasicParams memory) {
        return BasicParams(alice, hub, aliceOwner, hubOwner, NATIVE, DURATION, OPEN_BEFORE, bytes32(uint256(++_salt)));
    }

    function tokenParams() internal returns (BasicParams memory p) {
        p = coinParams();
        p.asset = address(token);
    }

    function typed(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", perunika.domainSeparator(), structHash));
    }

    function signed(uint256 key, bytes32 structHash) internal view returns (Signature memory signature) {
        (signature.r, signature.vs) = vm.signCompact(key, typed(structHash));
    }

    function nobody() internal pure returns (Signature memory signature) {}

    function status(bytes32 id) internal view returns (uint256) {
        return perunika.channel(id).status;
    }

    function hubVault() internal view returns (uint256) {
        return perunika.vault(hubOwner, NATIVE);
    }

    // --- opening

    function terms(uint256 member, uint256 hubPart, uint256 until) internal pure returns (OpenTerms) {
        return OpenTerms.wrap(member << 160 | hubPart << 64 | until);
    }

    function openHash(bytes32 id, OpenTerms t) internal pure returns (bytes32) {
        return keccak256(abi.encode(TypeHashes.OPEN, id, t.memberDeposit(), t.hubDeposit(), t.validUntil()));
    }

    function opening(BasicParams memory p, uint256 member, uint256 hubPart) internal view returns (Opening memory) {
        OpenTerms t = terms(member, hubPart, VALID);
        return Opening(p, t, signed(HUB_KEY, openHash(perunika.basicId(p), t)));
    }

    function openCoin(uint256 member, uint256 hubPart) internal returns (BasicParams memory p, bytes32 id) {
        p = coinParams();
        id = perunika.basicId(p);
        Opening memory o = opening(p, member, hubPart);
        vm.prank(aliceOwner);
        perunika.open{value: member}(o);
    }

    // --- what ends a channel

    function closeHash(bytes32 id, int128 net, uint64 until) internal pure returns (bytes32) {
        return keccak256(abi.encode(TypeHashes.CLOSE, id, net, until));
    }

    function closing(BasicParams memory p, int128 net) internal view returns (Closing memory) {
        bytes32 content = closeHash(perunika.basicId(p), net, VALID);
        return Closing(p, net, VALID, signed(ALICE_KEY, content), signed(HUB_KEY, content));
    }

    function withdrawal(BasicParams memory p, uint32 nonce, uint128 toAlice, uint128 toBob)
        internal
        view
        returns (Withdrawal memory)
    {
        bytes32 content = keccak256(abi.encode(TypeHashes.WITHDRAW, perunika.basicId(p), nonce, toAlice, toBob, VALID));
        return Withdrawal(nonce, toAlice, toBob, VALID, signed(ALICE_KEY, content), signed(HUB_KEY, content));
    }

    // --- dispute

    function noStart() internal pure returns (StartPermit memory permit) {}

    function noCheckpoint() internal pure returns (CheckpointPost memory post) {}

    function noEvidence() internal pure returns (Evidence memory evidence) {}

    function noContent() internal pure returns (CheckpointContent memory content) {}

    function noItems() internal pure returns (NanocontractItem[] memory items) {}

    function voucher(uint256 key, bytes32 id, uint128 amount) internal view returns (Evidence memory e) {
        e.kind = EvidenceKind.VOUCHER;
        e.amount = amount;
        e.signature = signed(key, keccak256(abi.encode(TypeHashes.VOUCHER, id, amount)));
    }

    /// @dev Tick `index` of a chain of `length` steps whose last element is `seed`.
    function tick(uint256 key, bytes32 id, uint128 base, uint128 unit, uint32 length, uint32 index)
        internal
        view
        returns (Evidence memory e)
    {
        bytes32 element = keccak256("seed");
        for (uint256 left = length; left > 0; --left) {
            if (left == index) e.preimage = element;
            element = sha256(abi.encode(element));
        }
        if (index == 0) e.preimage = element;
        (e.kind, e.amount, e.unit, e.length, e.index, e.root) = (EvidenceKind.TICK, base, unit, length, index, element);
        e.signature = signed(key, keccak256(abi.encode(TypeHashes.TICK_CHAIN, id, base, unit, length, element)));
    }

    function checkpoint(bytes32 id, uint64 version, int128 net, uint64 floor, bytes memory retired)
        internal
        view
        returns (CheckpointPost memory)
    {
        bytes32 content = keccak256(abi.encode(TypeHashes.CHECKPOINT, id, version, net, floor, keccak256(retired)));
        return CheckpointPost(version, net, floor, retired, signed(ALICE_KEY, content), signed(HUB_KEY, content));
    }

    /// @dev A challenge with vouchers only; 0 = none.
    function challenge(address sender, BasicParams memory p, uint128 ab, uint128 ba) internal {
        bytes32 id = perunika.basicId(p);
        Evidence memory aliceToBob = ab == 0 ? noEvidence() : voucher(ALICE_KEY, id, ab);
        Evidence memory bobToAlice = ba == 0 ? noEvidence() : voucher(HUB_KEY, id, ba);
        vm.prank(sender);
        perunika.challenge(p, noStart(), noCheckpoint(), aliceToBob, bobToAlice);
    }

    function settle(BasicParams memory p) internal {
        perunika.settle(p, noContent(), noItems());
    }

    // --- expectations

    function expectError(bytes4 selector) internal {
        vm.expectRevert(abi.encodeWithSelector(selector));
    }

    function expectBadSignature(address expected, address recovered) internal {
        vm.expectRevert(abi.encodeWithSelector(BadSignature.selector, expected, recovered));
    }

    function expectStatus(bytes32 id, uint8 found) internal {
        vm.expectRevert(abi.encodeWithSelector(WrongStatus.selector, id, found));
    }

    /// @dev The address that a signature by `key` on one content gives when it is read for another.
    function misread(Signature memory signature, bytes32 structHash) internal view returns (address) {
        uint256 vs = uint256(signature.vs);
        return ecrecover(typed(structHash), uint8((vs >> 255) + 27), signature.r, bytes32(vs << 1 >> 1));
    }
}
