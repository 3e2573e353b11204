// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {TypeHashes} from "../src/libraries/TypeHashes.sol";
import {BasicParams, Evidence, EvidenceKind} from "../src/types/Structs.sol";

/// @title onchain.md, "amountOf": what a voucher or a tick is worth.
contract EvidenceTest is World {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    BasicParams private p;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        (p, id) = openCoin(5 ether, 3 ether);
    }

    function post(Evidence memory ab, Evidence memory ba) private {
        vm.prank(alice);
        perunika.challenge(p, noStart(), noCheckpoint(), ab, ba);
    }

    function expectBadVoucher(Evidence memory e) private {
        expectBadSignature(alice, misread(e.signature, keccak256(abi.encode(TypeHashes.VOUCHER, id, e.amount))));
    }

    // --- vouchers

    function test_a_voucher_counts_for_its_signer_only() public {
        Evidence memory e = voucher(ALICE_KEY, id, 1 ether);
        expectBadSignature(hub, alice);
        post(noEvidence(), e);
        e = voucher(HUB_KEY, id, 1 ether);
        expectBadSignature(alice, hub);
        post(e, noEvidence());
        e = voucher(STRANGER_KEY, id, 1 ether);
        expectBadSignature(alice, stranger);
        post(e, noEvidence());
    }

    function test_a_voucher_binds_channel_and_amount() public {
        (, bytes32 other) = openCoin(1 ether, 0);
        Evidence memory e = voucher(ALICE_KEY, other, 1 ether);
        expectBadVoucher(e);
        post(e, noEvidence());
        e = voucher(ALICE_KEY, id, 1 ether);
        e.amount = 2 ether;
        expectBadVoucher(e);
        post(e, noEvidence());
    }

    function test_a_voucher_above_96_bits_is_refused_not_cut() public {
        uint128[3] memory amounts = [uint128(MAX + 1), 2 ** 112 + 5, type(uint128).max];
        for (uint256 i = 0; i < amounts.length; ++i) {
            Evidence memory e = voucher(ALICE_KEY, id, amounts[i]);
            vm.expectRevert(abi.encodeWithSelector(AmountOutOfRange.selector, amounts[i], MAX));
            post(e, noEvidence());
        }
        post(voucher(ALICE_KEY, id, uint128(MAX)), voucher(HUB_KEY, id, uint128(MAX)));
        vm.assertEq(perunika.dispute(id).aliceToBob, MAX);
        vm.assertEq(perunika.dispute(id).bobToAlice, MAX);
        vm.warp(START_TIME + DURATION + 1);
        settle(p);
        vm.assertEq(aliceOwner.balance, 1000 ether);
    }

    function test_a_signature_in_high_s_form_is_nobodys() public {
        Evidence memory e = voucher(ALICE_KEY, id, 1 ether);
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(ALICE_KEY, typed(keccak256(abi.encode(TypeHashes.VOUCHER, id, e.amount))));
        uint256 high = ORDER - uint256(s);
        vm.assertEq(
            ecrecover(typed(keccak256(abi.encode(TypeHashes.VOUCHER, id, e.amount))), v ^ 7, r, bytes32(high)), alice
        );
        // The form of two words leaves 255 bits for s, so a high s that fits them is the lowest that exists.
        e.signature.vs = bytes32(ORDER / 2 + 1);
        expectBadSignature(alice, address(0));
        post(e, noEvidence());
        e.signature.vs = bytes32(type(uint256).max >> 1);
        expectBadSignature(alice, address(0));
        post(e, noEvidence());
    }

    function test_the_other_parity_is_another_signer() public {
        Evidence memory e = voucher(ALICE_KEY, id, 1 ether);
        e.signature.vs = bytes32(uint256(e.signature.vs) ^ 1 << 255);
        expectBadVoucher(e);
        post(e, noEvidence());
    }

    function test_a_signature_of_zeros_is_nobodys() public {
        Evidence memory e = voucher(ALICE_KEY, id, 1 ether);
        e.signature = nobody();
        expectBadSignature(alice, address(0));
        post(e, noEvidence());
    }

    // --- ticks

    function test_a_tick_is_worth_base_and_its_steps() public {
        post(tick(ALICE_KEY, id, 1 ether, 0.01 ether, 100, 0), noEvidence());
        vm.assertEq(perunika.dispute(id).aliceToBob, 1 ether);
        post(tick(ALICE_KEY, id, 1 ether, 0.01 ether, 100, 37), tick(HUB_KEY, id, 0, 5, 3, 3));
        vm.assertEq(perunika.dispute(id).aliceToBob, 1.37 ether);
        vm.assertEq(perunika.dispute(id).bobToAlice, 15);
    }

    function test_a_tick_and_a_voucher_raise_the_same_register() public {
        post(voucher(ALICE_KEY, id, 2 ether), noEvidence());
        post(tick(ALICE_KEY, id, 1 ether, 0.01 ether, 10, 10), noEvidence());
        vm.assertEq(perunika.dispute(id).aliceToBob, 2 ether);
        post(tick(ALICE_KEY, id, 2 ether, 1, 10, 1), noEvidence());
        vm.assertEq(perunika.dispute(id).aliceToBob, 2 ether + 1);
    }

    function test_a_tick_needs_its_preimage() public {
        Evidence memory e = tick(ALICE_KEY, id, 0, 1, 10, 5);
        e.index = 6;
        bytes32 reached = e.preimage;
        for (uint256 i = 0; i < 6; ++i) {
            reached = sha256(abi.encode(reached));
        }
        vm.expectRevert(abi.encodeWithSelector(WrongRoot.selector, reached, e.root));
        post(e, noEvidence());
    }

    function test_a_tick_stays_within_its_chain() public {
        Evidence memory e = tick(ALICE_KEY, id, 0, 1, 10, 10);
        e.length = 9;
        vm.expectRevert(abi.encodeWithSelector(BadTick.selector, 10, 9));
        post(e, noEvidence());
        e = tick(ALICE_KEY, id, 0, 1, 1025, 1);
        vm.expectRevert(abi.encodeWithSelector(BadTick.selector, 1, 1025));
        post(e, noEvidence());
        post(tick(ALICE_KEY, id, 0, 1, 1024, 1024), noEvidence());
        vm.assertEq(perunika.dispute(id).aliceToBob, 1024);
    }

    function test_a_tick_binds_base_unit_length_and_root() public {
        for (uint256 field = 0; field < 4; ++field) {
            Evidence memory e = tick(ALICE_KEY, id, 100, 10, 10, 0);
            if (field == 0) e.amount += 1;
            if (field == 1) e.unit += 1;
            if (field == 2) e.length += 1;
            if (field == 3) e.root = e.preimage = bytes32(uint256(1));
            bytes32 content = keccak256(abi.encode(TypeHashes.TICK_CHAIN, id, e.amount, e.unit, e.length, e.root));
            expectBadSignature(alice, misread(e.signature, content));
            post(e, noEvidence());
        }
    }

    function test_a_tick_above_96_bits_is_refused_not_cut() public {
        Evidence memory e = tick(ALICE_KEY, id, uint128(MAX), 1, 10, 1);
        vm.expectRevert(abi.encodeWithSelector(AmountOutOfRange.selector, MAX + 1, MAX));
        post(e, noEvidence());
        e = tick(ALICE_KEY, id, 0, type(uint128).max, 2, 2);
        vm.expectRevert(abi.encodeWithSelector(AmountOutOfRange.selector, 2 * uint256(type(uint128).max), MAX));
        post(e, noEvidence());
    }

    function test_an_unknown_kind_is_refused() public {
        Evidence memory e = voucher(ALICE_KEY, id, 1 ether);
        bytes memory call_ = abi.encodeCall(perunika.challenge, (p, noStart(), noCheckpoint(), e, noEvidence()));
        call_[4 + 13 * 32 + 31] = 0x03;
        vm.prank(alice);
        (bool taken,) = address(perunika).call(call_);
        vm.assertTrue(!taken);
        call_[4 + 13 * 32 + 31] = bytes1(uint8(EvidenceKind.VOUCHER));
        vm.prank(alice);
        (taken,) = address(perunika).call(call_);
        vm.assertTrue(taken);
    }
}
