// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {BlockingToken, Bomber, Burner, Hungry, Reentrant, Refuser} from "./support/Oddities.sol";
import {IPerunika} from "../src/interfaces/IPerunika.sol";
import {BasicParams, Closing, Opening} from "../src/types/Structs.sol";

/// @title onchain.md, "pay", "pushClaim", "closeMany": no receiver can stop a payout, its own or another's.
contract PayoutTest is World {
    function openFor(address owner) private returns (BasicParams memory p) {
        p = coinParams();
        p.aliceOwner = owner;
        Opening memory o = opening(p, 1 ether, 2 ether);
        vm.deal(address(this), 1 ether);
        perunika.open{value: 1 ether}(o);
    }

    function test_a_receiver_that_refuses_gets_a_claim_and_the_hub_its_part() public {
        Refuser refuser = new Refuser();
        BasicParams memory p = openFor(address(refuser));
        Closing memory c = closing(p, 0);
        vm.expectEmit(address(perunika));
        emit ClaimRecorded(address(refuser), NATIVE, 1 ether);
        perunika.close(c);
        vm.assertEq(perunika.claims(address(refuser), NATIVE), 1 ether);
        vm.assertEq(hubVault(), 100 ether);
    }

    function test_a_claim_is_paid_once_and_only_to_its_owner() public {
        Refuser refuser = new Refuser();
        perunika.close(closing(openFor(address(refuser)), 0));
        vm.expectRevert(
            abi.encodeWithSelector(TransferFailed.selector, NATIVE, address(perunika), address(refuser), 1 ether)
        );
        perunika.pushClaim(address(refuser), NATIVE);
        vm.assertEq(perunika.claims(address(refuser), NATIVE), 1 ether);
        refuser.setWilling(true);
        vm.expectEmit(address(perunika));
        emit ClaimPaid(address(refuser), NATIVE, 1 ether);
        vm.prank(stranger);
        perunika.pushClaim(address(refuser), NATIVE);
        vm.assertEq(address(refuser).balance, 1 ether);
        perunika.pushClaim(address(refuser), NATIVE);
        vm.assertEq(address(refuser).balance, 1 ether);
    }

    function test_a_receiver_that_burns_gas_burns_no_more_than_its_allowance() public {
        Closing memory c = closing(openFor(address(new Burner())), 0);
        uint256 before = gasleft();
        perunika.close(c);
        vm.assertLe(before - gasleft(), 170_000, "a receiver burned more than its allowance");
        vm.assertEq(perunika.claims(c.params.aliceOwner, NATIVE), 1 ether);
    }

    function test_what_a_receiver_returns_is_not_copied() public {
        Closing memory quiet = closing(openFor(address(new Refuser())), 0);
        Closing memory bomb = closing(openFor(address(new Bomber())), 0);
        uint256 before = gasleft();
        perunika.close(quiet);
        uint256 quietGas = before - gasleft();
        before = gasleft();
        perunika.close(bomb);
        vm.assertLe(before - gasleft(), quietGas + 16_000, "the answer was copied");
    }

    function test_nobody_starves_a_receiver_with_little_gas() public {
        Closing memory c = closing(openFor(address(new Hungry())), 0);
        bytes memory call_ = abi.encodeCall(perunika.close, (c));
        for (uint256 gas_ = 30_000; gas_ <= 250_000; gas_ += 1_000) {
            (bool closed,) = address(perunika).call{gas: gas_}(call_);
            vm.assertEq(perunika.claims(c.params.aliceOwner, NATIVE), 0, "starved into a claim");
            if (closed) return;
        }
        revert("never closed");
    }

    function test_a_receiver_cannot_come_back_in() public {
        Reentrant thief = new Reentrant(perunika);
        thief.aim(abi.encodeCall(IPerunika.pushClaim, (address(thief), NATIVE)));
        perunika.close(closing(openFor(address(thief)), 0));
        vm.assertEq(address(thief).balance, 1 ether);
        vm.assertEq(thief.answer(), abi.encodeWithSelector(Reentered.selector));
    }

    function test_a_payout_of_nothing_calls_nobody() public {
        Reentrant receiver = new Reentrant(perunika);
        receiver.aim(abi.encodeCall(IPerunika.pushClaim, (address(receiver), NATIVE)));
        perunika.close(closing(openFor(address(receiver)), 1 ether));
        vm.assertEq(receiver.answer(), "");
        vm.assertEq(hubVault(), 101 ether);
    }

    function test_a_token_that_blocks_a_receiver_stops_only_its_payout() public {
        blockedPayout(false);
    }

    function test_a_token_that_answers_false_has_not_paid() public {
        blockedPayout(true);
    }

    function blockedPayout(bool quietly) private {
        BlockingToken blocking = new BlockingToken();
        blocking.mint(hubOwner, 1000);
        BasicParams memory p = coinParams();
        p.asset = address(blocking);
        Opening memory o = opening(p, 100, 50);
        vm.startPrank(hubOwner);
        blocking.approve(address(perunika), 1000);
        perunika.deposit(hubOwner, address(blocking), 500);
        perunika.open(o);
        vm.stopPrank();
        blocking.setBlocked(aliceOwner, true);
        if (quietly) blocking.refuseQuietly();
        perunika.close(closing(p, 0));
        vm.assertEq(perunika.claims(aliceOwner, address(blocking)), 100);
        vm.assertEq(perunika.vault(hubOwner, address(blocking)), 500);
        blocking.setBlocked(aliceOwner, false);
        perunika.pushClaim(aliceOwner, address(blocking));
        vm.assertEq(blocking.balanceOf(aliceOwner), 100);
    }

    function test_a_token_whose_code_is_gone_has_not_paid() public {
        BasicParams memory p = tokenParams();
        Opening memory o = opening(p, 0, 50);
        vm.prank(aliceOwner);
        perunika.open(o);
        vm.etch(address(token), "");
        perunika.close(closing(p, -50));
        vm.assertEq(perunika.claims(aliceOwner, address(token)), 50);
    }

    // --- closeMany

    function closings(address[3] memory owners) private returns (Closing[] memory list) {
        list = new Closing[](3);
        for (uint256 i = 0; i < 3; ++i) {
            list[i] = closing(openFor(owners[i]), 0);
        }
    }

    function test_one_receiver_that_refuses_does_not_stop_the_others() public {
        address refuser = address(new Refuser());
        Closing[] memory list = closings([address(0x1001), refuser, address(0x1002)]);
        perunika.closeMany(list);
        vm.assertEq(address(0x1001).balance, 1 ether);
        vm.assertEq(address(0x1002).balance, 1 ether);
        vm.assertEq(perunika.claims(refuser, NATIVE), 1 ether);
        vm.assertEq(hubVault(), 100 ether);
    }

    function test_an_entry_that_fails_is_reported_and_leaves_nothing_behind() public {
        Closing[] memory list = closings([address(0x1001), address(0x1002), address(0x1003)]);
        list[1].aliceSignature = nobody();
        bytes32 id = perunika.basicId(list[1].params);
        vm.expectEmit(address(perunika));
        emit EntryFailed(id, 1, abi.encodeWithSelector(BadSignature.selector, alice, address(0)));
        perunika.closeMany(list);
        vm.assertEq(status(id), 1);
        vm.assertEq(address(0x1002).balance, 0);
        vm.assertEq(address(0x1003).balance, 1 ether);
        vm.assertEq(hubVault(), 98 ether);
    }

    function test_the_sender_of_a_batch_is_the_sender_of_each_entry() public {
        Closing[] memory list = closings([address(0x1001), address(0x1002), address(0x1003)]);
        for (uint256 i = 0; i < 3; ++i) {
            list[i].bobSignature = nobody();
        }
        vm.prank(stranger);
        perunika.closeMany(list);
        vm.assertEq(hubVault(), 94 ether);
        vm.prank(hub);
        perunika.closeMany(list);
        vm.assertEq(hubVault(), 100 ether);
    }

    function test_the_same_entry_twice_closes_once() public {
        Closing[] memory list = closings([address(0x1001), address(0x1002), address(0x1003)]);
        list[2] = list[0];
        perunika.closeMany(list);
        vm.assertEq(address(0x1001).balance, 1 ether);
        vm.assertEq(address(0x1003).balance, 0);
    }

    function test_a_batch_stops_before_an_entry_that_could_starve() public {
        Closing[] memory list = closings([address(0x1001), address(0x1002), address(0x1003)]);
        bytes memory call_ = abi.encodeCall(perunika.closeMany, (list));
        (bool done, bytes memory reason) = address(perunika).call{gas: 240_000}(call_);
        vm.assertTrue(!done);
        vm.assertEq(uint256(uint32(bytes4(reason))), uint256(uint32(GasTooLow.selector)));
        vm.assertEq(address(0x1001).balance, 0);
    }

    function test_nobody_but_the_contract_names_a_sender() public {
        Closing memory c = closing(openFor(aliceOwner), 0);
        c.bobSignature = nobody();
        vm.expectRevert(abi.encodeWithSelector(NotSelf.selector, stranger));
        vm.prank(stranger);
        perunika.closeEntry(hub, c);
    }
}
