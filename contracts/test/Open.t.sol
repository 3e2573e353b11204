// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {OpenTerms} from "../src/types/OpenTerms.sol";
import {BasicParams, ChannelView, Opening} from "../src/types/Structs.sol";

/// @title onchain.md, "open": one call funds both sides or does nothing.
contract OpenTest is World {
    function sendOpen(address sender, Opening memory o, uint256 value) private {
        vm.prank(sender);
        perunika.open{value: value}(o);
    }

    function test_open_funds_both_sides_at_once() public {
        BasicParams memory p = coinParams();
        bytes32 id = perunika.basicId(p);
        Opening memory o = opening(p, 5 ether, 2 ether);
        vm.expectEmit(address(perunika));
        emit Opened(id, o.terms);
        sendOpen(aliceOwner, o, 5 ether);
        ChannelView memory word = perunika.channel(id);
        vm.assertEq(word.total, 7 ether);
        vm.assertEq(int256(word.base), 5 ether);
        vm.assertEq(word.withdrawNonce, 0);
        vm.assertEq(word.status, 1);
        vm.assertEq(hubVault(), 98 ether);
        vm.assertEq(address(perunika).balance, 105 ether);
    }

    function test_open_takes_exactly_the_members_deposit() public {
        Opening memory o = opening(coinParams(), 5 ether, 0);
        vm.expectRevert(abi.encodeWithSelector(WrongValue.selector, 5 ether + 1, 5 ether));
        sendOpen(aliceOwner, o, 5 ether + 1);
        vm.expectRevert(abi.encodeWithSelector(WrongValue.selector, 5 ether - 1, 5 ether));
        sendOpen(aliceOwner, o, 5 ether - 1);
    }

    function test_an_id_opens_once() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        Opening memory o = opening(p, 1 ether, 0);
        expectStatus(id, 1);
        sendOpen(aliceOwner, o, 1 ether);
    }

    function test_an_id_does_not_open_after_its_time() public {
        Opening memory o = opening(coinParams(), 0, 0);
        vm.warp(OPEN_BEFORE + 1);
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, OPEN_BEFORE, OPEN_BEFORE + 1));
        sendOpen(aliceOwner, o, 0);
        vm.warp(OPEN_BEFORE);
        sendOpen(aliceOwner, o, 0);
    }

    function test_terms_expire() public {
        BasicParams memory p = coinParams();
        OpenTerms t = terms(0, 0, START_TIME + 10);
        Opening memory o = Opening(p, t, signed(HUB_KEY, openHash(perunika.basicId(p), t)));
        vm.warp(START_TIME + 11);
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, START_TIME + 10, START_TIME + 11));
        sendOpen(aliceOwner, o, 0);
        vm.warp(START_TIME + 10);
        sendOpen(aliceOwner, o, 0);
    }

    function test_every_address_must_be_there_and_the_signers_differ() public {
        for (uint256 fault = 0; fault < 7; ++fault) {
            BasicParams memory p = coinParams();
            if (fault == 0) p.alice = address(0);
            if (fault == 1) p.bob = address(0);
            if (fault == 2) p.aliceOwner = address(0);
            if (fault == 3) p.bobOwner = address(0);
            if (fault == 4) p.alice = p.bob;
            if (fault == 5) p.aliceOwner = address(perunika);
            if (fault == 6) p.bobOwner = address(perunika);
            Opening memory o = opening(p, 0, 0);
            vm.expectRevert(abi.encodeWithSelector(BadParties.selector, p.alice, p.bob, p.aliceOwner, p.bobOwner));
            sendOpen(p.bobOwner, o, 0);
        }
    }

    function test_the_time_to_answer_is_bounded() public {
        for (uint256 i = 0; i < 2; ++i) {
            BasicParams memory p = coinParams();
            p.challengeDuration = i == 0 ? MIN_WINDOW - 1 : MAX_WINDOW + 1;
            Opening memory o = opening(p, 0, 0);
            vm.expectRevert(
                abi.encodeWithSelector(
                    DurationOutOfRange.selector, uint256(p.challengeDuration), uint256(MIN_WINDOW), uint256(MAX_WINDOW)
                )
            );
            sendOpen(aliceOwner, o, 0);
            p.challengeDuration = i == 0 ? MIN_WINDOW : MAX_WINDOW;
            o = opening(p, 0, 0);
            sendOpen(aliceOwner, o, 0);
        }
    }

    function test_an_asset_without_code_opens_nothing() public {
        BasicParams memory p = coinParams();
        p.asset = address(0xdead);
        Opening memory o = opening(p, 0, 0);
        vm.expectEmit(address(perunika));
        emit EntryFailed(perunika.basicId(p), 0, abi.encodeWithSelector(NoCode.selector, address(0xdead)));
        vm.prank(hubOwner);
        perunika.openMany(one(o));
        vm.expectRevert(abi.encodeWithSelector(NoCode.selector, address(0xdead)));
        sendOpen(aliceOwner, o, 0);
    }

    function test_the_sum_of_both_deposits_fits_96_bits() public {
        vm.deal(aliceOwner, MAX + 1);
        Opening memory over = opening(coinParams(), MAX, 1);
        vm.expectRevert(abi.encodeWithSelector(AmountOutOfRange.selector, MAX + 1, MAX));
        sendOpen(aliceOwner, over, MAX);
        Opening memory full = opening(coinParams(), MAX, 0);
        sendOpen(aliceOwner, full, MAX);
        vm.assertEq(perunika.channel(perunika.basicId(full.params)).total, MAX);
        vm.assertEq(int256(perunika.channel(perunika.basicId(full.params)).base), int256(MAX));
    }

    function test_the_vault_pays_only_what_it_has() public {
        Opening memory o = opening(coinParams(), 0, 100 ether + 1);
        vm.expectRevert(abi.encodeWithSelector(VaultTooLow.selector, hubOwner, NATIVE, 100 ether, 100 ether + 1));
        sendOpen(aliceOwner, o, 0);
    }

    // --- who may commit the vault

    function test_a_stranger_that_names_a_hub_as_owner_gets_nothing_of_its_vault() public {
        BasicParams memory p = coinParams();
        p.bob = stranger;
        OpenTerms t = terms(1, 50 ether, VALID);
        Opening memory o = Opening(p, t, signed(STRANGER_KEY, openHash(perunika.basicId(p), t)));
        vm.expectRevert(abi.encodeWithSelector(NotOperator.selector, hubOwner, stranger));
        sendOpen(stranger, o, 1);
        vm.assertEq(hubVault(), 100 ether);
    }

    function test_terms_bind_only_under_bobs_signature_on_exactly_them() public {
        BasicParams memory p = coinParams();
        bytes32 id = perunika.basicId(p);
        Opening memory o = opening(p, 1 ether, 2 ether);
        OpenTerms[3] memory others =
            [terms(1 ether, 3 ether, VALID), terms(0, 2 ether, VALID), terms(1 ether, 2 ether, VALID + 1)];
        for (uint256 i = 0; i < others.length; ++i) {
            o.terms = others[i];
            expectBadSignature(hub, misread(o.hubSignature, openHash(id, o.terms)));
            sendOpen(aliceOwner, o, others[i].memberDeposit());
        }
    }

    function test_without_a_signature_only_the_vaults_owner_opens() public {
        Opening memory o = opening(coinParams(), 1 ether, 2 ether);
        o.hubSignature = nobody();
        expectBadSignature(hub, address(0));
        sendOpen(aliceOwner, o, 1 ether);
        expectBadSignature(hub, address(0));
        sendOpen(stranger, o, 1 ether);
        sendOpen(hubOwner, o, 1 ether);
        vm.assertEq(hubVault(), 98 ether);
    }

    function test_an_owner_that_is_bob_itself_needs_no_grant() public {
        BasicParams memory p = coinParams();
        p.bobOwner = hub;
        Opening memory o = opening(p, 1 ether, 0);
        sendOpen(aliceOwner, o, 1 ether);
        vm.assertEq(status(perunika.basicId(p)), 1);
    }

    function test_a_revoked_operator_commits_nothing() public {
        Opening memory o = opening(coinParams(), 0, 1 ether);
        vm.prank(hubOwner);
        perunika.setOperator(hub, false);
        vm.expectRevert(abi.encodeWithSelector(NotOperator.selector, hubOwner, hub));
        sendOpen(aliceOwner, o, 0);
    }

    function test_a_second_operator_does_not_end_the_first() public {
        vm.prank(hubOwner);
        perunika.setOperator(stranger, true);
        openCoin(0, 1 ether);
        BasicParams memory p = coinParams();
        p.bob = stranger;
        OpenTerms t = terms(0, 1 ether, VALID);
        Opening memory o = Opening(p, t, signed(STRANGER_KEY, openHash(perunika.basicId(p), t)));
        sendOpen(aliceOwner, o, 0);
        vm.assertEq(hubVault(), 98 ether);
        vm.prank(hubOwner);
        perunika.setOperator(hub, false);
        o = opening(coinParams(), 0, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(NotOperator.selector, hubOwner, hub));
        sendOpen(aliceOwner, o, 0);
    }

    function test_revoking_one_operator_leaves_the_one_named_later() public {
        vm.startPrank(hubOwner);
        perunika.setOperator(stranger, true);
        perunika.setOperator(hub, true);
        perunika.setOperator(stranger, false);
        vm.stopPrank();
        openCoin(0, 1 ether);
        vm.assertEq(hubVault(), 99 ether);
    }

    function test_no_amount_of_a_token_names_an_operator() public {
        uint256 amount = uint256(uint128(uint160(stranger))) << 128;
        token.mint(stranger, amount);
        vm.startPrank(stranger);
        token.approve(address(perunika), amount);
        perunika.deposit(hubOwner, address(token), amount);
        vm.stopPrank();
        BasicParams memory p = tokenParams();
        p.bob = stranger;
        OpenTerms t = terms(0, 1, VALID);
        Opening memory o = Opening(p, t, signed(STRANGER_KEY, openHash(perunika.basicId(p), t)));
        vm.expectRevert(abi.encodeWithSelector(NotOperator.selector, hubOwner, stranger));
        sendOpen(stranger, o, 0);
    }

    // --- one life

    function test_open_cannot_be_replayed_after_the_end() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 2 ether);
        Opening memory o = opening(p, 1 ether, 2 ether);
        perunika.close(closing(p, 0));
        expectStatus(id, 4);
        sendOpen(aliceOwner, o, 1 ether);
        vm.warp(OPEN_BEFORE + 1);
        perunika.sweep(p);
        vm.assertEq(status(id), 0);
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, OPEN_BEFORE, OPEN_BEFORE + 1));
        sendOpen(aliceOwner, o, 1 ether);
    }

    function test_a_field_that_does_not_fit_its_type_is_refused() public {
        Opening memory o = opening(coinParams(), 0, 0);
        bytes memory call_ = abi.encodeCall(perunika.open, (o));
        for (uint256 field = 0; field < 7; ++field) {
            bytes memory bent = bytes.concat(call_);
            bent[4 + 32 * field] = 0x01;
            vm.prank(hubOwner);
            (bool accepted,) = address(perunika).call(bent);
            vm.assertTrue(!accepted, "a wide field was taken");
        }
        vm.prank(hubOwner);
        (bool opened,) = address(perunika).call(call_);
        vm.assertTrue(opened);
    }

    function one(Opening memory o) private pure returns (Opening[] memory list) {
        list = new Opening[](1);
        list[0] = o;
    }
}
