// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {TypeHashes} from "../src/libraries/TypeHashes.sol";
import {
    BasicParams,
    CheckpointContent,
    DisputeView,
    NanocontractItem,
    StartPermit,
    VirtualParams
} from "../src/types/Structs.sol";

/// @title onchain.md, "dispute of a basic channel" and "settle".
contract DisputeTest is World {
    uint256 private constant AGENT_KEY = 0xA6E47;
    address private agent = vm.addr(AGENT_KEY);
    uint40 private constant T1 = START_TIME + DURATION;

    function begin(address sender, BasicParams memory p, StartPermit memory permit) private {
        vm.prank(sender);
        perunika.challenge(p, permit, noCheckpoint(), noEvidence(), noEvidence());
    }

    function startPermit(uint256 key, bytes32 id, address who, uint64 until) private view returns (StartPermit memory) {
        return StartPermit(who, until, signed(key, keccak256(abi.encode(TypeHashes.START, id, who, until))));
    }

    // --- who may start

    function test_each_of_the_four_addresses_may_start() public {
        address[4] memory four = [alice, hub, aliceOwner, hubOwner];
        for (uint256 i = 0; i < 4; ++i) {
            (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
            vm.expectEmit(address(perunika));
            emit Disputed(id, T1);
            begin(four[i], p, noStart());
            vm.assertEq(status(id), 2);
        }
    }

    function test_an_outsider_cannot_start() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        vm.expectRevert(abi.encodeWithSelector(NotAParty.selector, stranger));
        begin(stranger, p, noStart());
        vm.assertEq(status(id), 1);
    }

    function test_an_agent_sent_by_either_party_may_start() public {
        for (uint256 i = 0; i < 2; ++i) {
            (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
            begin(agent, p, startPermit(i == 0 ? ALICE_KEY : HUB_KEY, id, agent, VALID));
            vm.assertEq(status(id), 2);
        }
    }

    function test_a_start_is_for_one_agent_one_channel_and_a_time() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        StartPermit memory permit = startPermit(ALICE_KEY, id, agent, VALID);
        vm.expectRevert(abi.encodeWithSelector(NotAParty.selector, stranger));
        begin(stranger, p, permit);

        (, bytes32 other) = openCoin(1 ether, 0);
        permit = startPermit(ALICE_KEY, other, agent, VALID);
        bytes32 content = keccak256(abi.encode(TypeHashes.START, id, agent, VALID));
        vm.expectRevert(abi.encodeWithSelector(BadStart.selector, misread(permit.signature, content)));
        begin(agent, p, permit);

        permit = startPermit(AGENT_KEY, id, agent, VALID);
        vm.expectRevert(abi.encodeWithSelector(BadStart.selector, agent));
        begin(agent, p, permit);

        permit = startPermit(ALICE_KEY, id, agent, START_TIME);
        vm.warp(START_TIME + 1);
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, START_TIME, START_TIME + 1));
        begin(agent, p, permit);
    }

    function test_a_malformed_start_is_nobodys() public {
        (BasicParams memory p,) = openCoin(1 ether, 0);
        vm.expectRevert(abi.encodeWithSelector(BadStart.selector, address(0)));
        begin(agent, p, StartPermit(agent, VALID, nobody()));
    }

    function test_only_an_open_channel_can_be_disputed() public {
        BasicParams memory p = coinParams();
        expectStatus(perunika.basicId(p), 0);
        begin(alice, p, noStart());
        bytes32 id;
        (p, id) = openCoin(1 ether, 0);
        perunika.close(closing(p, 0));
        expectStatus(id, 4);
        begin(alice, p, noStart());
    }

    // --- deadlines

    function test_the_deadlines_are_set_at_the_start_and_never_move() public {
        (BasicParams memory p, bytes32 id) = openCoin(1 ether, 0);
        begin(alice, p, noStart());
        vm.warp(START_TIME + 1000);
        begin(hub, p, noStart());
        challenge(stranger, p, 1, 1);
        DisputeView memory d = perunika.dispute(id);
        vm.assertEq(d.evidenceUntil, T1);
        vm.assertEq(d.improveUntil, T1);
    }

    function test_anyone_adds_evidence_until_the_deadline() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 0);
        begin(alice, p, noStart());
        vm.warp(T1);
        vm.expectEmit(address(perunika));
        emit VouchersMerged(id, 1 ether, 0);
        challenge(stranger, p, 1 ether, 0);
        vm.warp(T1 + 1);
        bytes32 before = vm.load(address(perunika), keccak256(abi.encode(id, 1)));
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, T1, T1 + 1));
        this.challengeExternally(stranger, p, 2 ether);
        vm.assertEq(vm.load(address(perunika), keccak256(abi.encode(id, 1))), before);
    }

    /// @dev So that expectRevert sees one call.
    function challengeExternally(address sender, BasicParams memory p, uint128 amount) external {
        challenge(sender, p, amount, 0);
    }

    function test_a_start_beyond_the_range_of_the_stored_time_is_refused() public {
        BasicParams memory p = coinParams();
        p.openBefore = type(uint40).max;
        perunika.open(opening(p, 0, 0));
        vm.warp(uint256(type(uint32).max) - DURATION + 1);
        vm.expectRevert(abi.encodeWithSelector(AmountOutOfRange.selector, uint256(2 ** 32), uint256(type(uint32).max)));
        begin(alice, p, noStart());
        vm.warp(uint256(type(uint32).max) - DURATION);
        begin(alice, p, noStart());
    }

    function test_settle_waits_for_the_deadline() public {
        (BasicParams memory p,) = openCoin(1 ether, 0);
        begin(alice, p, noStart());
        vm.warp(T1);
        vm.expectRevert(abi.encodeWithSelector(TooEarly.selector, T1, T1));
        settle(p);
        vm.warp(T1 + 1);
        settle(p);
    }

    // --- registers

    function test_a_lower_or_equal_voucher_changes_nothing_and_reverts_nothing() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 5 ether);
        challenge(alice, p, 3 ether, 2 ether);
        bytes32 word = vm.load(address(perunika), keccak256(abi.encode(id, 1)));
        challenge(stranger, p, 2 ether, 1 ether);
        challenge(stranger, p, 3 ether, 2 ether);
        vm.assertEq(vm.load(address(perunika), keccak256(abi.encode(id, 1))), word);
    }

    function test_each_direction_rises_on_its_own() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 5 ether);
        challenge(alice, p, 3 ether, 2 ether);
        challenge(stranger, p, 1 ether, 4 ether);
        DisputeView memory d = perunika.dispute(id);
        vm.assertEq(d.aliceToBob, 3 ether);
        vm.assertEq(d.bobToAlice, 4 ether);
    }

    function test_evidence_may_come_with_the_start() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 0);
        challenge(hub, p, 2 ether, 0);
        vm.assertEq(perunika.dispute(id).aliceToBob, 2 ether);
    }

    function testFuzz_the_order_of_evidence_does_not_matter(uint96[4] memory ab, uint96[4] memory ba) public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 5 ether);
        uint256 bestAb;
        uint256 bestBa;
        for (uint256 i = 0; i < 4; ++i) {
            if (ab[i] > bestAb) bestAb = ab[i];
            if (ba[i] > bestBa) bestBa = ba[i];
            challenge(alice, p, ab[i], ba[i]);
        }
        DisputeView memory d = perunika.dispute(id);
        vm.assertEq(d.aliceToBob, bestAb);
        vm.assertEq(d.bobToAlice, bestBa);
    }

    function test_a_top_up_in_between_spoils_no_evidence() public {
        (BasicParams memory p,) = openCoin(5 ether, 0);
        begin(alice, p, noStart());
        vm.prank(stranger);
        perunika.topUp{value: 1}(p, true, 1);
        challenge(hub, p, 2 ether, 0);
        vm.prank(stranger);
        perunika.topUp{value: 1}(p, false, 1);
        vm.warp(T1 + 1);
        settle(p);
        vm.assertEq(aliceOwner.balance, 1000 ether - 5 ether + 3 ether + 1);
        vm.assertEq(hubVault(), 102 ether + 1);
    }

    // --- payout

    function test_settle_pays_base_minus_ab_plus_ba_minus_net() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 3 ether);
        vm.startPrank(hub);
        perunika.challenge(
            p,
            noStart(),
            checkpoint(id, 1, 1 ether, 7, hex"05"),
            voucher(ALICE_KEY, id, 2 ether),
            voucher(HUB_KEY, id, 0.5 ether)
        );
        vm.stopPrank();
        vm.warp(T1 + 1);
        vm.expectEmit(address(perunika));
        emit Settled(id, 2.5 ether, 5.5 ether, true);
        vm.prank(stranger);
        perunika.settle(p, CheckpointContent(1 ether, 7, hex"05"), noItems());
        vm.assertEq(aliceOwner.balance, 997.5 ether);
        vm.assertEq(hubVault(), 102.5 ether);
        vm.assertEq(status(id), 4);
    }

    function testFuzz_settle_pays_out_the_total_whatever_was_posted(uint96 ab, uint96 ba, int96 net) public {
        vm.assume(net != type(int96).min && (ab != 0 || ba != 0));
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 3 ether);
        vm.startPrank(alice);
        perunika.challenge(
            p, noStart(), checkpoint(id, 1, net, 0, ""), voucher(ALICE_KEY, id, ab), voucher(HUB_KEY, id, ba)
        );
        vm.stopPrank();
        vm.warp(T1 + 1);
        perunika.settle(p, CheckpointContent(net, 0, ""), noItems());
        int256 claim = 5 ether - int256(uint256(ab)) + int256(uint256(ba)) - net;
        uint256 paid = claim < 0 ? 0 : claim > 8 ether ? 8 ether : uint256(claim);
        vm.assertEq(aliceOwner.balance, 995 ether + paid);
        vm.assertEq(hubVault(), 97 ether + 8 ether - paid);
    }

    function test_settle_leaves_no_words_and_happens_once() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 3 ether);
        vm.startPrank(alice);
        perunika.challenge(p, noStart(), checkpoint(id, 1, 0, 1, ""), noEvidence(), voucher(HUB_KEY, id, 1));
        vm.stopPrank();
        vm.warp(OPEN_BEFORE + 1);
        perunika.settle(p, CheckpointContent(0, 1, ""), noItems());
        for (uint256 mapping_ = 0; mapping_ < 3; ++mapping_) {
            vm.assertEq(vm.load(address(perunika), keccak256(abi.encode(id, mapping_))), bytes32(0));
        }
        expectStatus(id, 0);
        perunika.settle(p, CheckpointContent(0, 1, ""), noItems());
    }

    function test_an_open_channel_cannot_be_settled() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 3 ether);
        vm.warp(VALID);
        expectStatus(id, 1);
        settle(p);
    }

    function test_settle_refuses_a_nanocontract_that_nobody_registered() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 3 ether);
        begin(alice, p, noStart());
        vm.warp(T1 + 1);
        NanocontractItem[] memory items = new NanocontractItem[](1);
        items[0].nid = 4;
        vm.expectRevert(abi.encodeWithSelector(UnknownNanocontract.selector, id, uint64(4)));
        perunika.settle(p, noContent(), items);
    }

    // --- batch

    function test_a_batch_keeps_the_senders_rights_and_fails_as_one() public {
        (BasicParams memory p, bytes32 id) = openCoin(5 ether, 3 ether);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(
            perunika.challenge, (p, noStart(), noCheckpoint(), voucher(ALICE_KEY, id, 1 ether), noEvidence())
        );
        calls[1] =
            abi.encodeCall(perunika.challenge, (p, noStart(), checkpoint(id, 1, 1, 0, ""), noEvidence(), noEvidence()));
        bytes memory reason = abi.encodeWithSelector(NotAParty.selector, stranger);
        vm.expectRevert(abi.encodeWithSelector(BatchFailed.selector, 0, reason));
        vm.prank(stranger);
        perunika.batch(calls);
        vm.prank(alice);
        perunika.batch(calls);
        vm.assertEq(perunika.dispute(id).aliceToBob, 1 ether);
        vm.assertEq(perunika.dispute(id).checkpointVersion, 1);
    }

    function test_an_item_has_its_final_form() public pure {
        VirtualParams memory leg;
        NanocontractItem memory item = NanocontractItem(1, 2, 3, address(4), bytes32(uint256(5)), 6, leg);
        vm.assertEq(abi.encode(item).length, 15 * 32);
    }
}
