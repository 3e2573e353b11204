// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {TypeHashes} from "../src/libraries/TypeHashes.sol";
import {BasicParams, CheckpointContent, CheckpointPost, Evidence, EvidenceKind} from "../src/types/Structs.sol";

/// @title onchain.md, "amountOf" and the checkpoint's merge: what counts as evidence.
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

    function postCheckpoint(CheckpointPost memory c) private {
        vm.prank(aliceOwner);
        perunika.challenge(p, noStart(), c, noEvidence(), noEvidence());
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

    // --- checkpoints

    function test_the_highest_checkpoint_stays() public {
        postCheckpoint(checkpoint(id, 3, 1 ether, 7, hex"05"));
        bytes32 word = vm.load(address(perunika), keccak256(abi.encode(id, 2)));
        postCheckpoint(checkpoint(id, 2, 2 ether, 8, ""));
        postCheckpoint(checkpoint(id, 3, 2 ether, 8, ""));
        vm.assertEq(vm.load(address(perunika), keccak256(abi.encode(id, 2))), word);
        vm.expectEmit(address(perunika));
        emit Checkpointed(id, 4, 2 ether, 8, "");
        this.postExternally(checkpoint(id, 4, 2 ether, 8, ""));
        vm.assertEq(perunika.dispute(id).checkpointVersion, 4);
    }

    function postExternally(CheckpointPost memory c) external {
        postCheckpoint(c);
    }

    function test_an_old_checkpoint_is_not_even_looked_at() public {
        postCheckpoint(checkpoint(id, 3, 1 ether, 7, hex"05"));
        CheckpointPost memory old = checkpoint(id, 2, 1, 0, "");
        old.aliceSignature = nobody();
        postCheckpoint(old);
        vm.assertEq(perunika.dispute(id).checkpointVersion, 3);
    }

    function test_a_checkpoint_needs_both_parties_and_no_owner_stands_in() public {
        CheckpointPost memory c = checkpoint(id, 1, 0, 0, "");
        c.aliceSignature = nobody();
        expectBadSignature(alice, address(0));
        postCheckpoint(c);
        c = checkpoint(id, 1, 0, 0, "");
        c.bobSignature = c.aliceSignature;
        expectBadSignature(hub, alice);
        postCheckpoint(c);
    }

    function test_a_party_that_posts_needs_no_signature_of_its_own() public {
        CheckpointPost memory c = checkpoint(id, 1, 0, 0, "");
        c.aliceSignature = nobody();
        vm.prank(alice);
        perunika.challenge(p, noStart(), c, noEvidence(), noEvidence());
        c = checkpoint(id, 2, 0, 0, "");
        c.bobSignature = nobody();
        vm.prank(hub);
        perunika.challenge(p, noStart(), c, noEvidence(), noEvidence());
        vm.assertEq(perunika.dispute(id).checkpointVersion, 2);
    }

    function test_a_checkpoint_binds_every_field() public {
        for (uint256 field = 0; field < 4; ++field) {
            CheckpointPost memory c = checkpoint(id, 1, 1, 1, hex"01");
            if (field == 0) c.version = 2;
            if (field == 1) c.net = 2;
            if (field == 2) c.floor = 2;
            if (field == 3) c.retired = hex"02";
            bytes32 content =
                keccak256(abi.encode(TypeHashes.CHECKPOINT, id, c.version, c.net, c.floor, keccak256(c.retired)));
            expectBadSignature(alice, misread(c.aliceSignature, content));
            postCheckpoint(c);
        }
    }

    function test_a_version_has_40_bits() public {
        CheckpointPost memory c = checkpoint(id, 2 ** 40, 0, 0, "");
        vm.expectRevert(abi.encodeWithSelector(VersionOutOfRange.selector, uint256(2 ** 40)));
        postCheckpoint(c);
        postCheckpoint(checkpoint(id, 2 ** 40 - 1, 0, 0, ""));
        vm.assertEq(perunika.dispute(id).checkpointVersion, 2 ** 40 - 1);
    }

    function test_a_net_stays_within_96_bits_both_ways() public {
        int128[3] memory nets = [int128(int256(MAX)) + 1, -int128(int256(MAX)) - 1, type(int128).min];
        for (uint256 i = 0; i < nets.length; ++i) {
            CheckpointPost memory c = checkpoint(id, 1, nets[i], 0, "");
            vm.expectRevert(abi.encodeWithSelector(NetOutOfRange.selector, int256(nets[i]), MAX));
            postCheckpoint(c);
        }
        postCheckpoint(checkpoint(id, 1, int128(int256(MAX)), 0, ""));
        postCheckpoint(checkpoint(id, 2, -int128(int256(MAX)), 0, ""));
    }

    function test_a_bitmap_has_one_form_and_a_bound() public {
        CheckpointPost memory c = checkpoint(id, 1, 0, 0, hex"0100");
        vm.expectRevert(abi.encodeWithSelector(BadBitmap.selector, 2));
        postCheckpoint(c);
        bytes memory long = new bytes(1025);
        long[1024] = 0x01;
        c = checkpoint(id, 1, 0, 0, long);
        vm.expectRevert(abi.encodeWithSelector(BadBitmap.selector, 1025));
        postCheckpoint(c);
        bytes memory full = new bytes(1024);
        full[1023] = 0x80;
        postCheckpoint(checkpoint(id, 1, 0, 0, full));
    }

    function test_settle_takes_the_posted_checkpoint_and_no_other() public {
        postCheckpoint(checkpoint(id, 1, 1 ether, 7, hex"05"));
        bytes24 posted = perunika.dispute(id).checkpointHash;
        vm.warp(START_TIME + DURATION + 1);
        CheckpointContent[4] memory wrong = [
            CheckpointContent(0, 7, hex"05"),
            CheckpointContent(1 ether, 8, hex"05"),
            CheckpointContent(1 ether, 7, hex"04"),
            CheckpointContent(0, 0, "")
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            CheckpointContent memory c = wrong[i];
            bytes24 given = bytes24(keccak256(abi.encode(c.net, c.floor, keccak256(c.retired))));
            vm.expectRevert(abi.encodeWithSelector(WrongCheckpoint.selector, given, posted));
            perunika.settle(p, c, noItems());
        }
        perunika.settle(p, CheckpointContent(1 ether, 7, hex"05"), noItems());
        vm.assertEq(aliceOwner.balance, 999 ether);
    }

    function test_without_a_checkpoint_settle_takes_an_empty_one_only() public {
        post(noEvidence(), noEvidence());
        vm.warp(START_TIME + DURATION + 1);
        CheckpointContent memory c = CheckpointContent(-1 ether, 0, "");
        bytes24 given = bytes24(keccak256(abi.encode(c.net, c.floor, keccak256(c.retired))));
        vm.expectRevert(abi.encodeWithSelector(WrongCheckpoint.selector, given, bytes24(0)));
        perunika.settle(p, c, noItems());
        settle(p);
        vm.assertEq(aliceOwner.balance, 1000 ether);
    }

    function test_an_empty_checkpoint_that_was_posted_settles_too() public {
        postCheckpoint(checkpoint(id, 1, 0, 0, ""));
        vm.warp(START_TIME + DURATION + 1);
        settle(p);
        vm.assertEq(aliceOwner.balance, 1000 ether);
    }
}
