// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {TypeHashes} from "../src/libraries/TypeHashes.sol";
import {BasicParams, CheckpointContent, CheckpointPost} from "../src/types/Structs.sol";

/// @title onchain.md, the checkpoint in "challenge" and "settle".
contract CheckpointTest is World {
    BasicParams private p;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        (p, id) = openCoin(5 ether, 3 ether);
    }

    function postCheckpoint(CheckpointPost memory c) private {
        vm.prank(aliceOwner);
        perunika.challenge(p, noStart(), c, noEvidence(), noEvidence());
    }

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
        challenge(alice, p, 0, 0);
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
