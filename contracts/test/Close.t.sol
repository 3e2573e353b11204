// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {BasicParams, Closing} from "../src/types/Structs.sol";

/// @title onchain.md, "close", "sweep".
contract CloseTest is World {
    function sendClose(address sender, Closing memory c) private {
        vm.prank(sender);
        perunika.close(c);
    }

    function test_close_divides_the_total_as_agreed() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 2 ether);
        uint256 before = aliceOwner.balance;
        Closing memory c = closing(p, 2 ether);
        vm.expectEmit(address(perunika));
        emit Closed(id, 3 ether, 4 ether);
        sendClose(stranger, c);
        vm.assertEq(aliceOwner.balance - before, 3 ether);
        vm.assertEq(hubVault(), 102 ether);
        vm.assertEq(perunika.channel(id).total, 0);
        vm.assertEq(status(id), 4);
    }

    function testFuzz_close_pays_out_the_total_whatever_the_net(int128 net, uint96 member, uint96 hubPart) public {
        uint256 m = uint256(member) % 1000 ether;
        uint256 h = uint256(hubPart) % 100 ether;
        (BasicParams memory p,) = openCoin(m, h);
        uint256 before = aliceOwner.balance;
        sendClose(stranger, closing(p, net));
        int256 claim = int256(m) - net;
        uint256 expected = claim < 0 ? 0 : uint256(claim) > m + h ? m + h : uint256(claim);
        vm.assertEq(aliceOwner.balance - before, expected);
        vm.assertEq(hubVault(), 100 ether + m - expected);
    }

    function test_a_side_that_sends_the_close_needs_no_signature_nor_does_its_owner() public {
        address[4] memory senders = [alice, aliceOwner, hub, hubOwner];
        for (uint256 i = 0; i < 4; ++i) {
            (BasicParams memory p,) = openCoin(1 ether, 0);
            Closing memory c = closing(p, 0);
            if (i < 2) c.aliceSignature = nobody();
            else c.bobSignature = nobody();
            sendClose(senders[i], c);
        }
    }

    function test_neither_side_closes_alone() public {
        (BasicParams memory p,) = openCoin(1 ether, 0);
        Closing memory c = closing(p, 0);
        c.bobSignature = nobody();
        expectBadSignature(hub, address(0));
        sendClose(alice, c);
        expectBadSignature(hub, address(0));
        sendClose(stranger, c);
        c = closing(p, 0);
        c.aliceSignature = c.bobSignature;
        expectBadSignature(alice, hub);
        sendClose(hub, c);
    }

    function test_a_close_binds_channel_net_and_time() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        (BasicParams memory other,) = openCoin(1 ether, 0);
        Closing memory c = closing(other, 0);
        c.params = p;
        expectBadSignature(alice, misread(c.aliceSignature, closeHash(id, 0, VALID)));
        sendClose(stranger, c);
        c = closing(p, 0);
        c.net = 1;
        expectBadSignature(alice, misread(c.aliceSignature, closeHash(id, 1, VALID)));
        sendClose(stranger, c);
        c = closing(p, 0);
        c.validUntil = VALID + 1;
        expectBadSignature(alice, misread(c.aliceSignature, closeHash(id, 0, VALID + 1)));
        sendClose(stranger, c);
    }

    function test_a_close_expires() public {
        (BasicParams memory p,) = openCoin(1 ether, 0);
        Closing memory c = closing(p, 0);
        vm.warp(VALID + 1);
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, VALID, VALID + 1));
        sendClose(stranger, c);
        vm.warp(VALID);
        sendClose(stranger, c);
    }

    function test_a_close_happens_once() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        Closing memory c = closing(p, 0);
        sendClose(stranger, c);
        expectStatus(id, 4);
        sendClose(stranger, c);
        vm.warp(OPEN_BEFORE + 1);
        perunika.sweep(p);
        expectStatus(id, 0);
        sendClose(stranger, c);
    }

    function test_a_folded_channel_cannot_be_closed() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        bytes32 slot = keccak256(abi.encode(id, 0));
        uint256 word = uint256(vm.load(address(perunika), slot));
        vm.store(address(perunika), slot, bytes32(word >> 8 << 8 | 3));
        Closing memory c = closing(p, 0);
        expectStatus(id, 3);
        sendClose(stranger, c);
    }

    function test_a_dispute_can_be_closed_and_leaves_no_words() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 2 ether);
        challenge(hub, p, 1 ether, 2 ether);
        vm.warp(OPEN_BEFORE + 1);
        sendClose(stranger, closing(p, 1 ether));
        for (uint256 mapping_ = 0; mapping_ < 3; ++mapping_) {
            vm.assertEq(vm.load(address(perunika), keccak256(abi.encode(id, mapping_))), bytes32(0));
        }
    }

    function test_a_signature_of_another_chain_or_contract_is_nobodys() public {
        (BasicParams memory p,) = openCoin(1 ether, 0);
        Closing memory c = closing(p, 0);
        vm.chainId(99);
        expectStatus(perunika.basicId(p), 0);
        sendClose(stranger, c);
        vm.chainId(31337);
        sendClose(stranger, c);
    }

    // --- sweep

    function test_sweep_waits_until_the_id_cannot_open_again() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        perunika.close(closing(p, 0));
        vm.warp(OPEN_BEFORE);
        vm.expectRevert(abi.encodeWithSelector(TooEarly.selector, OPEN_BEFORE, OPEN_BEFORE));
        perunika.sweep(p);
        vm.warp(OPEN_BEFORE + 1);
        vm.expectEmit(address(perunika));
        emit Swept(id);
        perunika.sweep(p);
        vm.assertEq(status(id), 0);
    }

    function test_sweep_touches_closed_channels_only() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        vm.warp(OPEN_BEFORE + 1);
        expectStatus(id, 1);
        perunika.sweep(p);
        challenge(alice, p, 0, 0);
        expectStatus(id, 2);
        perunika.sweep(p);
    }

    function test_a_channel_closed_late_leaves_no_word() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        vm.warp(OPEN_BEFORE + 1);
        perunika.close(closing(p, 0));
        vm.assertEq(status(id), 0);
    }
}
