// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {TypeHashes} from "../src/libraries/TypeHashes.sol";
import {Opening} from "../src/types/Structs.sol";

/// @title onchain.md, "openMany": a failing entry is skipped and reported, the others are as if it were not there.
contract OpenManyTest is World {
    function three(uint256 member, uint256 hubPart) private returns (Opening[] memory list) {
        list = new Opening[](3);
        for (uint256 i = 0; i < 3; ++i) {
            list[i] = opening(coinParams(), member, hubPart);
        }
    }

    function assertStatuses(Opening[] memory list, uint256 a, uint256 b, uint256 c) private view {
        vm.assertEq(status(perunika.basicId(list[0].params)), a);
        vm.assertEq(status(perunika.basicId(list[1].params)), b);
        vm.assertEq(status(perunika.basicId(list[2].params)), c);
    }

    function test_the_hub_opens_many_out_of_its_vault_without_signatures() public {
        Opening[] memory list = three(1 ether, 2 ether);
        for (uint256 i = 0; i < 3; ++i) {
            list[i].hubSignature = nobody();
        }
        vm.prank(hubOwner);
        perunika.openMany(list);
        assertStatuses(list, 1, 1, 1);
        vm.assertEq(hubVault(), 91 ether);
    }

    function test_a_fleets_owner_pays_for_its_members_with_coin_sent_along() public {
        Opening[] memory list = three(1 ether, 2 ether);
        vm.expectEmit(address(perunika));
        emit Deposited(aliceOwner, NATIVE, 5 ether);
        vm.prank(aliceOwner);
        perunika.openMany{value: 5 ether}(list);
        assertStatuses(list, 1, 1, 1);
        vm.assertEq(perunika.vault(aliceOwner, NATIVE), 2 ether);
        vm.assertEq(hubVault(), 94 ether);
    }

    function test_coin_sent_along_is_credited_once_whatever_the_entries_say() public {
        Opening[] memory list = three(2 ether, 0);
        vm.prank(aliceOwner);
        perunika.openMany{value: 2 ether}(list);
        assertStatuses(list, 1, 0, 0);
        vm.assertEq(perunika.vault(aliceOwner, NATIVE), 0);
        vm.assertEq(address(perunika).balance, 102 ether);
    }

    function test_a_failing_entry_is_reported_and_leaves_nothing_behind() public {
        Opening[] memory list = three(1 ether, 2 ether);
        list[1].hubSignature = nobody();
        bytes32 id = perunika.basicId(list[1].params);
        vm.expectEmit(address(perunika));
        emit EntryFailed(id, 1, abi.encodeWithSelector(BadSignature.selector, hub, address(0)));
        vm.prank(aliceOwner);
        perunika.openMany{value: 3 ether}(list);
        assertStatuses(list, 1, 0, 1);
        vm.assertEq(perunika.vault(aliceOwner, NATIVE), 1 ether);
        vm.assertEq(hubVault(), 96 ether);
    }

    function test_the_same_entry_twice_opens_once() public {
        Opening[] memory list = three(1 ether, 2 ether);
        list[2] = list[0];
        vm.prank(hubOwner);
        perunika.openMany(list);
        vm.assertEq(hubVault(), 94 ether);
    }

    function test_an_entry_whose_words_do_not_fit_is_reported_too() public {
        Opening[] memory list = three(0, 0);
        bytes memory call_ = abi.encodeCall(perunika.openMany, (list));
        call_[4 + 64 + 11 * 32] = 0x01; // the first word of the second entry
        bytes memory words = abi.encode(TypeHashes.BASIC_PARAMS, list[1].params);
        words[32] = 0x01;
        vm.expectEmit(address(perunika));
        emit EntryFailed(typed(keccak256(words)), 1, abi.encode(0));
        vm.prank(hubOwner);
        (bool done,) = address(perunika).call(call_);
        vm.assertTrue(done);
        assertStatuses(list, 1, 0, 1);
    }

    function test_tokens_come_out_of_the_senders_vault() public {
        Opening[] memory list = new Opening[](1);
        list[0] = opening(tokenParams(), 30, 20);
        vm.startPrank(aliceOwner);
        token.approve(address(perunika), 100);
        perunika.deposit(aliceOwner, address(token), 100);
        perunika.openMany(list);
        vm.stopPrank();
        vm.assertEq(perunika.vault(aliceOwner, address(token)), 70);
        vm.assertEq(perunika.vault(hubOwner, address(token)), 1e23 - 20);
    }

    function test_nobody_but_the_contract_names_a_sender() public {
        Opening memory o = opening(coinParams(), 1 ether, 2 ether);
        o.hubSignature = nobody();
        vm.expectRevert(abi.encodeWithSelector(NotSelf.selector, stranger));
        vm.prank(stranger);
        perunika.openEntry(hubOwner, o);
    }

    function test_a_batch_of_calls_does_not_make_the_contract_its_own_sender() public {
        Opening memory o = opening(coinParams(), 1 ether, 2 ether);
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(perunika.openEntry, (hubOwner, o));
        bytes memory reason = abi.encodeWithSelector(NotSelf.selector, stranger);
        vm.expectRevert(abi.encodeWithSelector(BatchFailed.selector, 0, reason));
        vm.prank(stranger);
        perunika.batch(calls);
    }
}
