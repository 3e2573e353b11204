// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPerunika} from "../../src/interfaces/IPerunika.sol";
import {TestToken} from "./TestToken.sol";

// Tokens and receivers as they occur in the wild.

/// @dev Keeps one unit of each transfer.
contract FeeToken is TestToken {
    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        _move(from, address(this), 1);
        _move(from, to, amount - 1);
        return true;
    }
}

/// @dev Moves money and answers nothing, as early tokens do.
contract SilentToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @dev Moves nothing and says so.
contract FalseToken {
    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    function transferFrom(address, address, uint256) external pure returns (bool) {
        return false;
    }
}

/// @dev Can be told to refuse transfers, as tokens with block lists do.
contract BlockingToken is TestToken {
    mapping(address => bool) public blocked;
    bool public quietly;

    /// @dev From now on it answers false instead of reverting.
    function refuseQuietly() external {
        quietly = true;
    }

    function setBlocked(address account, bool on) external {
        blocked[account] = on;
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        if (quietly && blocked[to]) return false;
        require(!blocked[to], "blocked");
        _move(msg.sender, to, amount);
        return true;
    }
}

/// @dev Takes no coin.
contract Refuser {
    bool public willing;

    function setWilling(bool on) external {
        willing = on;
    }

    receive() external payable {
        require(willing, "no");
    }
}

/// @dev Needs most of a payout's gas to take coin.
contract Hungry {
    uint256[2] public notes;

    receive() external payable {
        notes = [block.number, msg.value];
    }
}

/// @dev Burns all gas it gets.
contract Burner {
    receive() external payable {
        while (true) {}
    }
}

/// @dev Refuses with as many returned bytes as it can pay for.
contract Bomber {
    receive() external payable {
        assembly {
            revert(0, 60000)
        }
    }
}

/// @dev Calls back with what it was told when it is paid, and keeps the answer.
contract Reentrant {
    IPerunika private immutable _perunika;
    bytes private _call;
    bytes public answer;

    constructor(IPerunika perunika) {
        _perunika = perunika;
    }

    function aim(bytes calldata call_) external {
        _call = call_;
    }

    function withdraw(uint256 amount) external {
        _perunika.withdrawVault(address(0), amount, address(this));
    }

    receive() external payable {
        (, answer) = address(_perunika).call(_call);
    }
}
