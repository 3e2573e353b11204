// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {FeeToken, Refuser, Reentrant, SilentToken, FalseToken} from "./support/Oddities.sol";
import {IPerunika} from "../src/interfaces/IPerunika.sol";

/// @title onchain.md, "vault".
contract VaultTest is World {
    function test_deposit_credits_the_named_owner_with_exactly_the_amount() public {
        vm.expectEmit(address(perunika));
        emit Deposited(alice, NATIVE, 3 ether);
        vm.prank(stranger);
        perunika.deposit{value: 3 ether}(alice, NATIVE, 3 ether);
        vm.assertEq(perunika.vault(alice, NATIVE), 3 ether);
        vm.assertEq(perunika.vault(stranger, NATIVE), 0);
    }

    function test_deposit_refuses_coin_that_differs_from_the_amount() public {
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(WrongValue.selector, 1 ether, 2 ether));
        perunika.deposit{value: 1 ether}(alice, NATIVE, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(WrongValue.selector, 1, 0));
        perunika.deposit{value: 1}(alice, address(token), 1);
    }

    function test_deposit_of_a_token_comes_from_the_callers_allowance_only() public {
        vm.prank(aliceOwner);
        token.approve(address(perunika), 50);
        vm.expectRevert(
            abi.encodeWithSelector(TransferFailed.selector, address(token), stranger, address(perunika), 50)
        );
        vm.prank(stranger);
        perunika.deposit(stranger, address(token), 50);
        vm.prank(aliceOwner);
        perunika.deposit(alice, address(token), 50);
        vm.assertEq(perunika.vault(alice, address(token)), 50);
        vm.assertEq(token.balanceOf(aliceOwner), 1e24 - 50);
    }

    function test_deposit_refuses_an_asset_without_code() public {
        vm.expectRevert(abi.encodeWithSelector(NoCode.selector, address(0xdead)));
        perunika.deposit(alice, address(0xdead), 1);
    }

    function test_deposit_refuses_a_token_that_delivers_less() public {
        FeeToken fees = new FeeToken();
        fees.mint(address(this), 100);
        fees.approve(address(perunika), 100);
        vm.expectRevert(abi.encodeWithSelector(WrongDeposit.selector, address(fees), 100, 99));
        perunika.deposit(alice, address(fees), 100);
    }

    function test_a_token_that_answers_nothing_is_as_good_as_one_that_answers_true() public {
        SilentToken silent = new SilentToken();
        silent.mint(address(this), 100);
        perunika.deposit(address(this), address(silent), 100);
        perunika.withdrawVault(address(silent), 40, alice);
        vm.assertEq(silent.balanceOf(alice), 40);
    }

    function test_a_token_that_answers_false_has_not_paid() public {
        FalseToken liar = new FalseToken();
        vm.expectRevert(
            abi.encodeWithSelector(TransferFailed.selector, address(liar), address(this), address(perunika), 1)
        );
        perunika.deposit(alice, address(liar), 1);
    }

    function test_withdrawVault_takes_from_the_sender_alone() public {
        vm.expectRevert(abi.encodeWithSelector(VaultTooLow.selector, stranger, NATIVE, 0, 1));
        vm.prank(stranger);
        perunika.withdrawVault(NATIVE, 1, stranger);
        vm.expectEmit(address(perunika));
        emit VaultWithdrawn(hubOwner, NATIVE, alice, 40 ether);
        vm.prank(hubOwner);
        perunika.withdrawVault(NATIVE, 40 ether, alice);
        vm.assertEq(hubVault(), 60 ether);
        vm.assertEq(alice.balance, 40 ether);
    }

    function test_withdrawVault_of_one_unit_too_much_is_refused() public {
        vm.expectRevert(abi.encodeWithSelector(VaultTooLow.selector, hubOwner, NATIVE, 100 ether, 100 ether + 1));
        vm.prank(hubOwner);
        perunika.withdrawVault(NATIVE, 100 ether + 1, hubOwner);
    }

    function test_withdrawVault_reverts_when_the_receiver_refuses() public {
        address refuser = address(new Refuser());
        vm.expectRevert(abi.encodeWithSelector(TransferFailed.selector, NATIVE, address(perunika), refuser, 1 ether));
        vm.prank(hubOwner);
        perunika.withdrawVault(NATIVE, 1 ether, refuser);
    }

    function test_withdrawVault_cannot_be_entered_again_from_the_receiver() public {
        Reentrant thief = new Reentrant(perunika);
        vm.deal(address(this), 2 ether);
        perunika.deposit{value: 2 ether}(address(thief), NATIVE, 2 ether);
        thief.aim(abi.encodeCall(IPerunika.withdrawVault, (NATIVE, 1 ether, address(thief))));
        thief.withdraw(1 ether);
        vm.assertEq(address(thief).balance, 1 ether);
        vm.assertEq(thief.answer(), abi.encodeWithSelector(Reentered.selector));
    }

    function test_every_call_that_moves_money_is_closed_during_a_payout() public {
        Reentrant thief = new Reentrant(perunika);
        vm.deal(address(this), 20 ether);
        perunika.deposit{value: 20 ether}(address(thief), NATIVE, 20 ether);
        bytes[] memory calls = new bytes[](4);
        calls[0] = abi.encodeCall(IPerunika.deposit, (address(thief), NATIVE, 0));
        calls[1] = abi.encodeCall(IPerunika.setOperator, (alice, true));
        calls[2] = abi.encodeCall(IPerunika.pushClaim, (address(thief), NATIVE));
        calls[3] = abi.encodeCall(IPerunika.open, (opening(coinParams(), 0, 0)));
        for (uint256 i = 0; i < calls.length; ++i) {
            thief.aim(calls[i]);
            thief.withdraw(1 ether);
            vm.assertEq(thief.answer(), abi.encodeWithSelector(Reentered.selector));
        }
    }

    function test_setOperator_is_about_the_senders_own_vault() public {
        vm.prank(stranger);
        perunika.setOperator(stranger, true);
        vm.assertTrue(perunika.operatorOf(stranger, stranger));
        vm.assertTrue(!perunika.operatorOf(hubOwner, stranger));
    }

    function test_naming_an_operator_leaves_the_amount_as_it_was() public {
        vm.startPrank(hubOwner);
        perunika.setOperator(alice, true);
        vm.assertEq(hubVault(), 100 ether);
        perunika.setOperator(alice, false);
        vm.assertEq(hubVault(), 100 ether);
        perunika.withdrawVault(NATIVE, 100 ether, hubOwner);
        vm.assertEq(hubVault(), 0);
    }

    function test_coin_sent_without_a_call_is_refused() public {
        vm.deal(address(this), 1 ether);
        (bool accepted,) = address(perunika).call{value: 1 ether}("");
        vm.assertTrue(!accepted);
    }
}
