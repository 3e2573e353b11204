// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Game} from "./support/Game.sol";
import {TestToken} from "./support/TestToken.sol";
import {vm} from "./support/Vm.sol";
import {Perunika} from "../src/Perunika.sol";
import {ChannelView, DisputeView} from "../src/types/Structs.sol";

/// @title onchain.md, "Invariants", under random play: the chain and independent books agree to the last unit.
contract InvariantsTest {
    /// @dev The form in which forge is told which functions are no moves.
    struct Selectors {
        address target;
        bytes4[] selectors;
    }

    Game private game;
    Perunika private perunika;
    address private token;

    function setUp() public {
        game = new Game();
        perunika = Perunika(game.contractAddress());
        token = game.tokenAddress();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(game);
    }

    function excludeSelectors() public view returns (Selectors[] memory excluded) {
        excluded = new Selectors[](1);
        excluded[0].target = address(game);
        excluded[0].selectors = new bytes4[](2);
        excluded[0].selectors[0] = game.setUp.selector;
        excluded[0].selectors[1] = game.challengeAs.selector;
    }

    /// @dev Invariant 1, as equality: nobody forces coin into the contract here.
    function invariant_conservation() public view {
        vm.assertEq(address(perunika).balance, owed(address(0)), "coin");
        vm.assertEq(TestToken(token).balanceOf(address(perunika)), owed(token), "token");
    }

    /// @dev Invariants 2 to 4 and 6: totals, bases, registers and the hub's vault are what the accepted moves make them.
    function invariant_books_agree() public view {
        vm.assertEq(perunika.vault(game.owners()[1], address(0)), game.hubVaultOf(address(0)), "vault in coin");
        vm.assertEq(perunika.vault(game.owners()[1], token), game.hubVaultOf(token), "vault in token");
        for (uint256 i = 0; i < game.count(); ++i) {
            channelAgrees(game.ids(i));
        }
    }

    /// @dev Invariants 3, 9 and 25.
    function invariant_one_life() public view {
        for (uint256 i = 0; i < game.count(); ++i) {
            bytes32 id = game.ids(i);
            Game.Books memory b = game.books(id);
            vm.assertLe(b.opened, 1, "an id opened twice");
            DisputeView memory d = perunika.dispute(id);
            if (b.ended || perunika.channel(id).status == 1) {
                vm.assertEq(d.aliceToBob + d.bobToAlice + d.evidenceUntil + d.checkpointVersion, 0, "a word was left");
            } else if (perunika.channel(id).status == 2) {
                vm.assertTrue(d.evidenceUntil == d.improveUntil && d.evidenceUntil != 0, "a deadline moved");
            }
        }
    }

    function channelAgrees(bytes32 id) private view {
        Game.Books memory b = game.books(id);
        ChannelView memory c = perunika.channel(id);
        vm.assertEq(c.total, b.total, "total");
        if (c.status == 1 || c.status == 2) vm.assertTrue(int256(c.base) == b.base, "base");
        if (c.status == 0 || c.status == 4) vm.assertEq(c.total, 0, "a closed channel holds money");
        vm.assertTrue(!b.ended || c.status == 0 || c.status == 4, "an ended channel lives");
        if (c.status != 2) return;
        DisputeView memory d = perunika.dispute(id);
        vm.assertEq(d.aliceToBob, b.ab, "ab");
        vm.assertEq(d.bobToAlice, b.ba, "ba");
        vm.assertEq(d.checkpointVersion, b.version, "checkpoint");
    }

    function owed(address asset) private view returns (uint256 sum) {
        address[4] memory owners = game.owners();
        for (uint256 i = 0; i < owners.length; ++i) {
            sum += perunika.vault(owners[i], asset) + perunika.claims(owners[i], asset);
        }
        for (uint256 i = 0; i < game.count(); ++i) {
            bytes32 id = game.ids(i);
            if (game.books(id).params.asset == asset) sum += perunika.channel(id).total;
        }
    }
}
