// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @notice Whoever gives it control gets struck: each time it is entered, it makes the next of the calls it was
/// armed with, and remembers how many succeeded. It can be a stranger, a coinbase, or hold an operator's key.
contract Attacker {
    struct Strike {
        address target;
        uint256 value;
        bytes data;
        /// Pass a failure on to whoever gave control.
        bool insists;
    }

    Strike[] private _strikes;
    uint256 public entered;
    uint256 public landed;

    function arm(Strike[] calldata strikes) external {
        delete _strikes;
        entered = 0;
        landed = 0;
        for (uint256 i = 0; i < strikes.length; i++) {
            _strikes.push(strikes[i]);
        }
    }

    /// @notice Makes a call with this contract as the sender: how it is told to use a stolen key.
    function act(address target, bytes calldata data) external {
        (bool success, bytes memory answer) = target.call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    receive() external payable {
        _strike();
    }

    fallback() external payable {
        _strike();
        assembly ("memory-safe") {
            mstore(0, 1)
            return(0, 32)
        }
    }

    function _strike() private {
        uint256 count = _strikes.length;
        if (count == 0) return;
        Strike memory strike = _strikes[entered++ % count];
        (bool success, bytes memory answer) = strike.target.call{value: strike.value}(strike.data);
        if (success) {
            landed++;
        } else if (strike.insists) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}
