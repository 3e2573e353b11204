// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";
import {TypeHashes} from "../src/libraries/TypeHashes.sol";
import {BasicParams, Funding, FundingKind, Opening, Signature} from "../src/types/Structs.sol";

/// @title onchain.md, "open", funding by token: money moves only from the caller, or under a signature that names this
/// channel and amount.
contract OpenWithTest is World {
    uint256 private constant OWNER_KEY = 0xCAFE;
    address private owner = vm.addr(OWNER_KEY);
    BasicParams private params;
    bytes32 private id;
    mapping(uint256 amount => Opening) private prepared;

    function setUp() public override {
        super.setUp();
        token.mint(owner, 1000);
        params = tokenParams();
        params.aliceOwner = owner;
        id = perunika.basicId(params);
        prepared[0] = opening(params, 0, 20);
        prepared[99] = opening(params, 99, 20);
        prepared[100] = opening(params, 100, 20);
    }

    function signedFor(bytes32 content) private view returns (Signature memory s) {
        (s.r, s.vs) =
            vm.signCompact(OWNER_KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), content)));
    }

    function permit(uint256 amount) private view returns (Funding memory) {
        bytes32 kind = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 content = keccak256(abi.encode(kind, owner, address(perunika), amount, token.nonces(owner), VALID));
        return Funding(FundingKind.PERMIT, address(0), VALID, signedFor(content));
    }

    function authorization(bytes32 nonce, uint256 amount) private view returns (Funding memory) {
        bytes32 kind = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 content = keccak256(abi.encode(kind, owner, address(perunika), amount, 0, VALID, nonce));
        return Funding(FundingKind.AUTHORIZATION, owner, VALID, signedFor(content));
    }

    function fund(bytes32 channelId, address from, uint256 amount, uint64 until) private view returns (Funding memory) {
        bytes32 content = keccak256(abi.encode(TypeHashes.FUND, channelId, from, amount, until));
        return Funding(FundingKind.FUND, from, until, signed(OWNER_KEY, content));
    }

    function openWith(address sender, uint256 amount, Funding memory funding) private {
        Opening memory o = prepared[amount];
        vm.prank(sender);
        perunika.openWith(o, funding);
    }

    function assertOpened(uint256 amount) private view {
        vm.assertEq(perunika.channel(id).total, amount + 20);
        vm.assertEq(token.balanceOf(owner), 1000 - amount);
        vm.assertEq(token.balanceOf(address(perunika)), 1e23 + amount);
        vm.assertEq(perunika.vault(hubOwner, address(token)), 1e23 - 20);
    }

    // --- the sender's allowance

    function test_open_takes_the_senders_allowance() public {
        Opening memory o = opening(params, 100, 20);
        vm.prank(owner);
        token.approve(address(perunika), 100);
        vm.prank(owner);
        perunika.open(o);
        assertOpened(100);
    }

    function test_open_never_takes_somebody_elses_allowance() public {
        Opening memory o = opening(params, 100, 20);
        vm.prank(owner);
        token.approve(address(perunika), 100);
        vm.expectRevert(
            abi.encodeWithSelector(TransferFailed.selector, address(token), stranger, address(perunika), 100)
        );
        vm.prank(stranger);
        perunika.open(o);
    }

    function test_open_of_a_token_channel_takes_no_coin() public {
        Opening memory o = opening(params, 0, 20);
        vm.expectRevert(abi.encodeWithSelector(WrongValue.selector, 1, 0));
        vm.prank(stranger);
        perunika.open{value: 1}(o);
    }

    // --- permit

    function test_a_permit_and_the_opening_are_one_transaction() public {
        openWith(owner, 100, permit(100));
        assertOpened(100);
    }

    function test_a_permit_that_somebody_has_used_already_does_not_stop_the_owner() public {
        Funding memory funding = permit(100);
        uint256 vs = uint256(funding.signature.vs);
        vm.prank(stranger);
        token.permit(
            owner, address(perunika), 100, VALID, uint8((vs >> 255) + 27), funding.signature.r, bytes32(vs << 1 >> 1)
        );
        openWith(owner, 100, funding);
        assertOpened(100);
    }

    function test_a_permit_is_of_no_use_to_another_sender() public {
        Funding memory funding = permit(100);
        vm.expectRevert(
            abi.encodeWithSelector(TransferFailed.selector, address(token), stranger, address(perunika), 100)
        );
        openWith(stranger, 100, funding);
    }

    function test_a_permit_for_an_asset_without_code_is_refused() public {
        Funding memory funding = permit(100);
        prepared[100].params.asset = address(0xdead);
        vm.expectRevert(abi.encodeWithSelector(NoCode.selector, address(0xdead)));
        openWith(owner, 100, funding);
    }

    // --- EIP-3009

    function test_anyone_may_send_an_authorised_opening() public {
        openWith(stranger, 100, authorization(keccak256(abi.encode(id, 100)), 100));
        assertOpened(100);
    }

    function test_an_authorisation_funds_no_other_channel() public {
        bytes32 other = perunika.basicId(tokenParams());
        Funding memory funding = authorization(keccak256(abi.encode(other, 100)), 100);
        vm.expectRevert("signature");
        openWith(stranger, 100, funding);
    }

    function test_an_authorisation_funds_no_other_amount() public {
        Funding memory funding = authorization(keccak256(abi.encode(id, 100)), 100);
        vm.expectRevert("signature");
        openWith(stranger, 99, funding);
    }

    // --- Fund

    function test_anyone_may_send_an_opening_that_its_funder_signed() public {
        vm.prank(owner);
        token.approve(address(perunika), 500);
        openWith(stranger, 100, fund(id, owner, 100, VALID));
        assertOpened(100);
    }

    function test_a_fund_signature_binds_channel_amount_payer_and_time() public {
        vm.prank(owner);
        token.approve(address(perunika), 500);
        Funding[4] memory wrong = [
            fund(perunika.basicId(coinParams()), owner, 100, VALID),
            fund(id, owner, 99, VALID),
            fund(id, owner, 100, VALID),
            fund(id, owner, 100, VALID)
        ];
        wrong[2].from = aliceOwner;
        wrong[3].validUntil = VALID + 1;
        for (uint256 i = 0; i < wrong.length; ++i) {
            Funding memory f = wrong[i];
            bytes32 content = keccak256(abi.encode(TypeHashes.FUND, id, f.from, 100, f.validUntil));
            expectBadSignature(f.from, misread(f.signature, content));
            openWith(stranger, 100, f);
        }
    }

    function test_a_fund_signature_expires() public {
        vm.prank(owner);
        token.approve(address(perunika), 500);
        Funding memory funding = fund(id, owner, 100, START_TIME);
        vm.warp(START_TIME + 1);
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, START_TIME, START_TIME + 1));
        openWith(stranger, 100, funding);
    }

    function test_a_malformed_fund_signature_is_nobodys_not_the_zero_addresss() public {
        Funding memory funding = fund(id, address(0), 0, VALID);
        funding.signature = nobody();
        expectBadSignature(address(0), address(0));
        openWith(stranger, 0, funding);
    }

    function test_a_used_fund_signature_does_nothing_a_second_time() public {
        vm.prank(owner);
        token.approve(address(perunika), 500);
        Funding memory funding = fund(id, owner, 100, VALID);
        openWith(stranger, 100, funding);
        expectStatus(id, 1);
        openWith(stranger, 100, funding);
        vm.assertEq(token.balanceOf(owner), 900);
    }
}
