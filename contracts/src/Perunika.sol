// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPerunika} from "./interfaces/IPerunika.sol";
import {Disputes} from "./parts/Disputes.sol";
import {Life} from "./parts/Life.sol";
import {Openings} from "./parts/Openings.sol";
import {State} from "./parts/State.sol";

/// @title The singleton. It has no owner, no upgrade and no fee; two immutables bound the time to answer.
contract Perunika is Openings, Life, Disputes {
    constructor(uint32 minWindow_, uint32 maxWindow_) State(minWindow_, maxWindow_) {}

    /// @inheritdoc IPerunika
    /// @dev A delegatecall to itself keeps the sender, so each call stands on its own rights.
    function batch(bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool done, bytes memory answer) = address(this).delegatecall(calls[i]);
            if (!done) revert BatchFailed(i, answer);
        }
    }
}
