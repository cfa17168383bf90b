// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {SettableAggregator} from "contracts/devnet/SettableAggregator.sol";

/// @title A feed that is also told by `transmitSecondary`, through a forwarder: stands for Chainlink's DualAggregator
/// @notice For the devnet's tests only. The call and the report in it are encoded as the real ones, and the answer
/// is the middle one of its observations; nothing is signed, and both proxies see it at once.
contract DualAggregator is SettableAggregator {
    error ReportLengthMismatch();

    constructor(string memory description_, int192 answer) SettableAggregator(description_, answer) {}

    function transmitSecondary(
        bytes32[3] calldata,
        bytes calldata report_,
        bytes32[] calldata,
        bytes32[] calldata,
        bytes32
    ) external {
        if (Forwarder(msg.sender).owner() != transmitter) revert NotTransmitter();
        (,, int192[] memory observations,) = abi.decode(report_, (uint32, bytes32, int192[], int192));
        if (report_.length != 32 * (5 + observations.length)) revert ReportLengthMismatch();
        report(observations[observations.length / 2]);
    }
}

/// @title What a transmitter sends its calls through: stands for Chainlink's AuthorizedForwarder
contract Forwarder {
    error NotOwner();

    address public immutable owner = msg.sender;

    function forward(address to, bytes calldata data) external {
        if (msg.sender != owner) revert NotOwner();
        (bool ok, bytes memory returned) = to.call(data);
        if (!ok) {
            assembly {
                revert(add(returned, 32), mload(returned))
            }
        }
    }
}
