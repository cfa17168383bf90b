// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

interface IAggregator {
    function decimals() external view returns (uint8);
    function description() external view returns (string memory);
    function latestAnswer() external view returns (int256);
    function latestTimestamp() external view returns (uint256);
    function latestRound() external view returns (uint256);
    function getAnswer(uint256 roundId) external view returns (int256);
    function getTimestamp(uint256 roundId) external view returns (uint256);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
    function getRoundData(uint80 roundId) external view returns (uint80, int256, uint256, uint256, uint80);
}

/// @title The address that consumers of a price know, before an aggregator that its owner may replace
/// @notice For the devnet only; it stands where Chainlink's aggregator proxy stands. Events come from the
/// aggregator behind it, so a keeper that listens must ask `aggregator()` first. Round ids carry the phase, the
/// count of aggregators so far, above bit 64.
contract FeedProxy {
    error NotOwner();

    uint256 private constant PHASE_OFFSET = 64;

    address public immutable owner;
    IAggregator public aggregator;
    uint16 public phaseId;
    mapping(uint16 phase => IAggregator) public phaseAggregators;

    constructor(IAggregator first) {
        owner = msg.sender;
        install(first);
    }

    function setAggregator(IAggregator next) external {
        if (msg.sender != owner) revert NotOwner();
        install(next);
    }

    function install(IAggregator next) private {
        aggregator = next;
        phaseAggregators[++phaseId] = next;
    }

    function decimals() external view returns (uint8) {
        return aggregator.decimals();
    }

    function description() external view returns (string memory) {
        return aggregator.description();
    }

    function latestAnswer() external view returns (int256) {
        return aggregator.latestAnswer();
    }

    function latestTimestamp() external view returns (uint256) {
        return aggregator.latestTimestamp();
    }

    function latestRound() external view returns (uint256) {
        return phased(phaseId, uint80(aggregator.latestRound()));
    }

    function getAnswer(uint256 roundId) external view returns (int256) {
        return phaseAggregators[uint16(roundId >> PHASE_OFFSET)].getAnswer(uint64(roundId));
    }

    function getTimestamp(uint256 roundId) external view returns (uint256) {
        return phaseAggregators[uint16(roundId >> PHASE_OFFSET)].getTimestamp(uint64(roundId));
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        (uint80 round, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            aggregator.latestRoundData();
        return (phased(phaseId, round), answer, startedAt, updatedAt, phased(phaseId, answeredIn));
    }

    function getRoundData(uint80 roundId) external view returns (uint80, int256, uint256, uint256, uint80) {
        uint16 phase = uint16(roundId >> PHASE_OFFSET);
        (uint80 round, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            phaseAggregators[phase].getRoundData(uint64(roundId));
        return (phased(phase, round), answer, startedAt, updatedAt, phased(phase, answeredIn));
    }

    function phased(uint16 phase, uint80 round) private pure returns (uint80) {
        return (uint80(phase) << uint80(PHASE_OFFSET)) | round;
    }
}
