// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./World.sol";
import {vm} from "./Vm.sol";
import {Refuser} from "./Oddities.sol";
import {BasicParams, CheckpointContent, Closing, Opening, Withdrawal} from "../../src/types/Structs.sol";

/// @title Random play on the contract, with books kept beside it. Each move is tried whether or not it is allowed; what
/// the contract accepts must be allowed by the rules and is booked here.
contract Game is World {
    struct Books {
        BasicParams params;
        bool isToken;
        uint256 opened; // how often
        bool ended;
        uint256 total;
        int256 base;
        uint256 ab;
        uint256 ba;
        uint64 version;
        int128 net;
    }

    bytes32[] public ids;
    mapping(bytes32 => Books) private _books;
    mapping(bytes32 => Opening) private _openings;
    mapping(address asset => uint256) public hubVaultOf;
    mapping(address asset => uint256) public paidToAlice;
    uint256 public accepted;
    Refuser public refuser;

    constructor() {
        setUp();
        refuser = new Refuser();
        hubVaultOf[NATIVE] = hubVault();
        hubVaultOf[address(token)] = perunika.vault(hubOwner, address(token));
        vm.prank(aliceOwner);
        token.approve(address(perunika), type(uint256).max);
    }

    function contractAddress() external view returns (address) {
        return address(perunika);
    }

    function tokenAddress() external view returns (address) {
        return address(token);
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    function books(bytes32 id) external view returns (Books memory) {
        return _books[id];
    }

    function owners() external view returns (address[4] memory) {
        return [aliceOwner, hubOwner, address(refuser), stranger];
    }

    // --- moves

    function passTime(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 8 hours);
    }

    function depositToVault(uint96 amount, bool isToken) external {
        uint256 sum = uint256(amount) % 1 ether;
        address asset = isToken ? address(token) : NATIVE;
        vm.prank(hubOwner);
        perunika.deposit{value: isToken ? 0 : sum}(hubOwner, asset, sum);
        hubVaultOf[asset] += sum;
    }

    function takeFromVault(uint96 amount, bool isToken, bool asStranger) external {
        address asset = isToken ? address(token) : NATIVE;
        uint256 sum = uint256(amount) % 2 ether;
        vm.prank(asStranger ? stranger : hubOwner);
        try perunika.withdrawVault(asset, sum, hubOwner) {
            if (!asStranger) hubVaultOf[asset] -= sum;
            else require(sum == 0, "a stranger took from a vault");
        } catch {}
    }

    function openOne(uint96 member, uint96 hubPart, bool isToken, bool refusing) external {
        BasicParams memory p = isToken ? tokenParams() : coinParams();
        if (refusing) p.aliceOwner = address(refuser);
        p.openBefore = uint40(block.timestamp + 1 hours);
        bytes32 id = perunika.basicId(p);
        _openings[id] = opening(p, uint256(member) % 1 ether, uint256(hubPart) % 1 ether);
        (_books[id].params, _books[id].isToken) = (p, isToken);
        ids.push(id);
        _send(id);
    }

    /// @dev The same signed opening again, whatever has become of the channel.
    function openAgain(uint256 pick) external {
        if (ids.length != 0) _send(_recent(pick));
    }

    function topUp(uint256 pick, uint96 amount, bool aliceSide) external {
        if (ids.length == 0) return;
        Books storage b = _books[_recent(pick)];
        uint128 sum = uint128(amount) % 1 ether;
        vm.prank(aliceOwner);
        try perunika.topUp{value: b.isToken ? 0 : sum}(b.params, aliceSide, sum) {
            _live(b);
            b.total += sum;
            if (aliceSide) b.base += int256(uint256(sum));
        } catch {}
    }

    function withdraw(uint256 pick, uint96 toAlice, uint96 toBob) external {
        if (ids.length == 0) return;
        bytes32 id = _recent(pick);
        Books storage b = _books[id];
        uint32 nonce = uint32(perunika.channel(id).withdrawNonce);
        Withdrawal memory w = withdrawal(b.params, nonce, uint128(toAlice) % 0.5 ether, uint128(toBob) % 0.5 ether);
        try perunika.withdrawFromChannel(b.params, w) {
            _live(b);
            b.total -= w.toAlice + w.toBob;
            b.base -= int256(uint256(w.toAlice));
            _paid(b, w.toAlice, w.toBob);
        } catch {}
    }

    function close(uint256 pick, int96 net, uint256 sender) external {
        if (ids.length == 0) return;
        Books storage b = _books[_recent(pick)];
        Closing memory c = closing(b.params, int128(net) % 1 ether);
        bool pretend = sender % 4 == 3;
        if (pretend) c.aliceSignature = c.bobSignature;
        vm.prank(pretend ? stranger : sender % 4 == 0 ? hub : sender % 4 == 1 ? aliceOwner : stranger);
        try perunika.close(c) {
            require(!pretend, "closed by one side");
            _live(b);
            _end(b, b.base - c.net);
        } catch {}
    }

    function challengeWith(uint256 pick, uint96 ab, uint96 ba, bool asStranger) external {
        if (ids.length == 0) return;
        bytes32 id = _recent(pick);
        Books storage b = _books[id];
        bool wasOpen = status(id) == 1;
        uint128 sumAb = uint128(ab) % 2 ether;
        uint128 sumBa = uint128(ba) % 2 ether;
        try this.challengeAs(asStranger ? stranger : alice, b.params, sumAb, sumBa) {
            require(!(wasOpen && asStranger), "an outsider started a dispute");
            _live(b);
            if (sumAb > b.ab) b.ab = sumAb;
            if (sumBa > b.ba) b.ba = sumBa;
        } catch {}
    }

    function challengeAs(address sender, BasicParams calldata p, uint128 ab, uint128 ba) external {
        challenge(sender, p, ab, ba);
    }

    function postCheckpoint(uint256 pick, uint8 version, int96 net) external {
        if (ids.length == 0) return;
        bytes32 id = _recent(pick);
        Books storage b = _books[id];
        int128 bounded = int128(net) % 1 ether;
        vm.startPrank(alice);
        try perunika.challenge(
            b.params, noStart(), checkpoint(id, version, bounded, 1, ""), noEvidence(), noEvidence()
        ) {
            if (version > b.version) {
                (b.version, b.net) = (version, bounded);
            }
        } catch {}
        vm.stopPrank();
    }

    function settleOne(uint256 pick) external {
        if (ids.length == 0) return;
        bytes32 id = _recent(pick);
        Books storage b = _books[id];
        bool early = block.timestamp <= perunika.dispute(id).improveUntil;
        CheckpointContent memory content = CheckpointContent(b.net, b.version == 0 ? 0 : 1, "");
        try perunika.settle(b.params, content, noItems()) {
            require(!early, "settled before its time");
            _live(b);
            _end(b, b.base - int256(b.ab) + int256(b.ba) - b.net);
        } catch {}
    }

    function sweepOne(uint256 pick) external {
        if (ids.length == 0) return;
        Books storage b = _books[_recent(pick)];
        try perunika.sweep(b.params) {
            require(b.ended && block.timestamp > b.params.openBefore, "swept too early");
        } catch {}
    }

    function pushClaim(bool willing, bool isToken) external {
        refuser.setWilling(willing);
        try perunika.pushClaim(address(refuser), isToken ? address(token) : NATIVE) {} catch {}
        refuser.setWilling(false);
    }

    // --- books

    /// @dev Mostly one of the last three channels, so that moves meet; now and then any.
    function _recent(uint256 pick) private view returns (bytes32) {
        uint256 back = pick % 8 == 7 ? pick : pick % 3;
        return ids[ids.length - 1 - back % ids.length];
    }

    function _send(bytes32 id) private {
        Books storage b = _books[id];
        Opening memory o = _openings[id];
        address asset = b.params.asset;
        uint256 member = o.terms.memberDeposit();
        vm.prank(aliceOwner);
        try perunika.open{value: b.isToken ? 0 : member}(o) {
            b.opened += 1;
            b.total = o.terms.sum();
            b.base = int256(member);
            hubVaultOf[asset] -= o.terms.hubDeposit();
            ++accepted;
        } catch {}
    }

    function _live(Books storage b) private {
        require(b.opened == 1 && !b.ended, "a dead channel moved");
        ++accepted;
    }

    function _end(Books storage b, int256 claim) private {
        uint256 toAlice = claim <= 0 ? 0 : uint256(claim) < b.total ? uint256(claim) : b.total;
        _paid(b, toAlice, b.total - toAlice);
        b.total = 0;
        b.ended = true;
    }

    function _paid(Books storage b, uint256 toAlice, uint256 toBob) private {
        hubVaultOf[b.params.asset] += toBob;
        paidToAlice[b.params.asset] += toAlice;
    }
}
