// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {BasicParams, Withdrawal} from "../src/types/Structs.sol";

/// @title onchain.md, "topUp", "withdrawFromChannel".
contract LifeTest is World {
    function topUp(BasicParams memory p, bool aliceSide, uint128 amount) private {
        vm.prank(stranger);
        perunika.topUp{value: amount}(p, aliceSide, amount);
    }

    function withdraw(address sender, BasicParams memory p, Withdrawal memory w) private {
        vm.prank(sender);
        perunika.withdrawFromChannel(p, w);
    }

    // --- topUp

    function test_anyone_may_top_up_either_side() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 2 ether);
        topUp(p, true, 1 ether);
        vm.assertEq(perunika.channel(id).total, 8 ether);
        vm.assertEq(int256(perunika.channel(id).base), 6 ether);
        vm.expectEmit(address(perunika));
        emit ToppedUp(id, false, 3 ether);
        topUp(p, false, 3 ether);
        vm.assertEq(perunika.channel(id).total, 11 ether);
        vm.assertEq(int256(perunika.channel(id).base), 6 ether);
        vm.assertEq(address(perunika).balance, 109 ether);
    }

    function test_topUp_takes_exactly_the_amount() public {
        (BasicParams memory p,) = openCoin(5 ether, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(WrongValue.selector, 1, 2));
        perunika.topUp{value: 1}(p, true, 2);
    }

    function test_topUp_of_a_token_channel() public {
        BasicParams memory p = tokenParams();
        vm.startPrank(hubOwner);
        perunika.open(opening(p, 0, 20));
        perunika.topUp(p, true, 5);
        vm.stopPrank();
        vm.assertEq(perunika.channel(perunika.basicId(p)).total, 25);
        vm.assertEq(token.balanceOf(address(perunika)), 1e23 + 5);
    }

    function test_topUp_needs_a_channel_that_lives() public {
        BasicParams memory p = coinParams();
        expectStatus(perunika.basicId(p), 0);
        perunika.topUp{value: 1}(p, true, 1);
        bytes32 id;
        (p, id) = openCoin(1 ether, 0);
        perunika.close(closing(p, 0));
        expectStatus(id, 4);
        perunika.topUp{value: 1}(p, true, 1);
    }

    function test_a_dispute_can_be_topped_up() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        challenge(alice, p, 0, 0);
        topUp(p, true, 1 ether);
        vm.assertEq(perunika.channel(id).total, 2 ether);
        vm.assertEq(status(id), 2);
    }

    function test_the_total_stays_within_96_bits() public {
        (BasicParams memory p,) = openCoin(1, 0);
        vm.deal(stranger, MAX);
        vm.expectRevert(abi.encodeWithSelector(AmountOutOfRange.selector, MAX + 1, MAX));
        topUp(p, true, uint128(MAX));
        topUp(p, true, uint128(MAX - 1));
    }

    function test_an_amount_of_112_bits_is_not_cut() public {
        (BasicParams memory p,) = openCoin(1, 0);
        uint256 amount = 2 ** 112 + 5;
        vm.deal(stranger, amount);
        vm.expectRevert(abi.encodeWithSelector(AmountOutOfRange.selector, amount + 1, MAX));
        topUp(p, true, uint128(amount));
    }

    // --- withdrawFromChannel

    function test_withdraw_pays_both_and_the_channel_goes_on() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 2 ether);
        uint256 before = aliceOwner.balance;
        Withdrawal memory w = withdrawal(p, 0, 3 ether, 1 ether);
        vm.expectEmit(address(perunika));
        emit Withdrawn(id, 0, 3 ether, 1 ether);
        withdraw(stranger, p, w);
        vm.assertEq(aliceOwner.balance - before, 3 ether);
        vm.assertEq(hubVault(), 99 ether);
        vm.assertEq(perunika.channel(id).total, 3 ether);
        vm.assertEq(int256(perunika.channel(id).base), 2 ether);
        vm.assertEq(perunika.channel(id).withdrawNonce, 1);
        vm.assertEq(status(id), 1);
    }

    function test_a_withdrawal_happens_once() public {
        (BasicParams memory p,) = openCoin(5 ether, 2 ether);
        Withdrawal memory w = withdrawal(p, 0, 1 ether, 0);
        withdraw(stranger, p, w);
        vm.expectRevert(abi.encodeWithSelector(WrongNonce.selector, 0, 1));
        withdraw(stranger, p, w);
    }

    function test_withdrawals_go_in_order() public {
        (BasicParams memory p,) = openCoin(5 ether, 2 ether);
        Withdrawal memory w = withdrawal(p, 1, 1 ether, 0);
        vm.expectRevert(abi.encodeWithSelector(WrongNonce.selector, 1, 0));
        withdraw(stranger, p, w);
        w = withdrawal(p, 2 ** 24, 1 ether, 0);
        vm.expectRevert(abi.encodeWithSelector(WrongNonce.selector, 2 ** 24, 0));
        withdraw(stranger, p, w);
    }

    function test_the_last_nonce_is_never_used_so_that_it_cannot_wrap() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 2 ether);
        bytes32 slot = keccak256(abi.encode(id, 0));
        uint256 word = uint256(vm.load(address(perunika), slot));
        vm.store(address(perunika), slot, bytes32(word | (2 ** 24 - 1) << 8));
        vm.assertEq(perunika.channel(id).withdrawNonce, 2 ** 24 - 1);
        Withdrawal memory w = withdrawal(p, 2 ** 24 - 1, 1 ether, 0);
        vm.expectRevert(abi.encodeWithSelector(WrongNonce.selector, 2 ** 24 - 1, 2 ** 24 - 1));
        withdraw(stranger, p, w);
    }

    function test_a_withdrawal_expires() public {
        (BasicParams memory p,) = openCoin(5 ether, 2 ether);
        Withdrawal memory w = withdrawal(p, 0, 1 ether, 0);
        vm.warp(VALID + 1);
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, VALID, VALID + 1));
        withdraw(stranger, p, w);
    }

    function test_a_withdrawal_needs_both_sides() public {
        (BasicParams memory p,) = openCoin(5 ether, 2 ether);
        Withdrawal memory w = withdrawal(p, 0, 1 ether, 0);
        w.aliceSignature = nobody();
        expectBadSignature(alice, address(0));
        withdraw(stranger, p, w);
        expectBadSignature(alice, address(0));
        withdraw(hubOwner, p, w);
        w = withdrawal(p, 0, 1 ether, 0);
        w.bobSignature = nobody();
        expectBadSignature(hub, address(0));
        withdraw(aliceOwner, p, w);
    }

    function test_a_withdrawal_cannot_take_more_than_there_is() public {
        (BasicParams memory p,) = openCoin(5 ether, 2 ether);
        Withdrawal memory w = withdrawal(p, 0, 5 ether, 2 ether + 1);
        vm.expectRevert(abi.encodeWithSelector(Overdrawn.selector, 7 ether + 1, 7 ether, int256(0)));
        withdraw(stranger, p, w);
        uint128 huge = 2 ** 112 + 5;
        w = withdrawal(p, 0, huge, 0);
        vm.expectRevert(abi.encodeWithSelector(Overdrawn.selector, huge, 7 ether, 5 ether - int256(uint256(huge))));
        withdraw(stranger, p, w);
        uint128 most = type(uint128).max;
        w = withdrawal(p, 0, most, most);
        vm.expectRevert(
            abi.encodeWithSelector(Overdrawn.selector, 2 * uint256(most), 7 ether, 5 ether - int256(uint256(most)))
        );
        withdraw(stranger, p, w);
    }

    function test_the_base_stops_before_it_could_wrap() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 2 ether);
        int256 lowest = -(2 ** 120) + 1 ether;
        vm.store(
            address(perunika),
            keccak256(abi.encode(id, 0)),
            bytes32(uint256(7 ether) << 160 | uint256(uint128(int128(lowest))) << 32 | 1)
        );
        vm.assertEq(int256(perunika.channel(id).base), lowest);
        Withdrawal memory w = withdrawal(p, 0, 1 ether + 1, 0);
        vm.expectRevert(abi.encodeWithSelector(Overdrawn.selector, 1 ether + 1, 7 ether, -(2 ** 120) - int256(1)));
        withdraw(stranger, p, w);
        withdraw(stranger, p, withdrawal(p, 0, 1 ether, 0));
        vm.assertEq(int256(perunika.channel(id).base), -(2 ** 120));
    }

    function test_no_withdrawal_during_a_dispute() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 2 ether);
        Withdrawal memory w = withdrawal(p, 0, 1 ether, 0);
        challenge(alice, p, 0, 0);
        expectStatus(id, 2);
        withdraw(stranger, p, w);
    }
}
