// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title A price feed that its transmitter sets, and that reports as Chainlink's off-chain aggregators do
/// @notice For the devnet only. What a keeper can observe is faithful: the three events of a report in their
/// order, rounds that count up, an answer with eight decimals. There is no quorum: one account is the oracle.
contract SettableAggregator {
    event NewTransmission(
        uint32 indexed aggregatorRoundId,
        int192 answer,
        address transmitter,
        uint32 observationsTimestamp,
        int192[] observations,
        bytes observers,
        int192 juelsPerFeeCoin,
        bytes32 configDigest,
        uint40 epochAndRound
    );
    event NewRound(uint256 indexed roundId, address indexed startedBy, uint256 startedAt);
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    struct Round {
        int192 answer;
        uint64 at;
    }

    error NotTransmitter();

    uint8 public constant decimals = 8;
    uint256 public constant version = 6;
    address public immutable transmitter;
    string public description;
    uint32 public latestRound;
    mapping(uint256 roundId => Round) private rounds;

    constructor(string memory description_, int192 answer) {
        transmitter = msg.sender;
        description = description_;
        report(answer);
    }

    /// @notice Report an answer as a new round. Any value is taken, zero and negative ones too: feeds have failed so.
    function transmit(int192 answer) external {
        if (msg.sender != transmitter) revert NotTransmitter();
        report(answer);
    }

    function report(int192 answer) internal {
        uint32 roundId = ++latestRound;
        rounds[roundId] = Round(answer, uint64(block.timestamp));
        int192[] memory observations = new int192[](1);
        observations[0] = answer;
        emit NewTransmission(
            roundId, answer, msg.sender, uint32(block.timestamp), observations, hex"00", 0, bytes32(0), uint40(roundId) << 8
        );
        emit NewRound(roundId, msg.sender, block.timestamp);
        emit AnswerUpdated(answer, roundId, block.timestamp);
    }

    function latestAnswer() external view returns (int256) {
        return rounds[latestRound].answer;
    }

    function latestTimestamp() external view returns (uint256) {
        return rounds[latestRound].at;
    }

    function getAnswer(uint256 roundId) external view returns (int256) {
        return rounds[roundId].answer;
    }

    function getTimestamp(uint256 roundId) external view returns (uint256) {
        return rounds[roundId].at;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(uint80(latestRound));
    }

    function getRoundData(uint80 roundId) public view returns (uint80, int256, uint256, uint256, uint80) {
        Round memory round = rounds[roundId];
        return (roundId, round.answer, round.at, round.at, roundId);
    }
}
