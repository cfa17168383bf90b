// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

interface IFeed {
    function decimals() external view returns (uint8);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

/// @title An oracle as Morpho's markets have one: collateral in units of the loan token, from two feeds
/// @notice For the devnet only; it stands for MorphoChainlinkOracleV2, which no package publishes, and answers to
/// the same getters. Its owner can hold its price still, or break it: both happen to real ones.
contract RatioOracle {
    error NotOwner();
    error OutOfOrder();

    address public constant BASE_VAULT = address(0);
    address public constant QUOTE_VAULT = address(0);
    uint256 public constant BASE_VAULT_CONVERSION_SAMPLE = 1;
    uint256 public constant QUOTE_VAULT_CONVERSION_SAMPLE = 1;
    address public constant BASE_FEED_2 = address(0);
    address public constant QUOTE_FEED_2 = address(0);

    address public immutable owner;
    IFeed public immutable BASE_FEED_1;
    IFeed public immutable QUOTE_FEED_1;
    uint256 public immutable SCALE_FACTOR;

    uint256 public held;
    bool public holds;
    bool public broken;

    constructor(IFeed collateralFeed, IFeed loanFeed, uint8 collateralDecimals, uint8 loanDecimals) {
        owner = msg.sender;
        BASE_FEED_1 = collateralFeed;
        QUOTE_FEED_1 = loanFeed;
        SCALE_FACTOR = 10 ** (36 + loanDecimals + loanFeed.decimals() - collateralDecimals - collateralFeed.decimals());
    }

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    /// @notice Report this price from now on, whatever the feeds say.
    function hold(uint256 price_) external onlyOwner {
        (held, holds, broken) = (price_, true, false);
    }

    /// @notice Revert from now on.
    function breakDown() external onlyOwner {
        broken = true;
    }

    /// @notice Follow the feeds again.
    function follow() external onlyOwner {
        (holds, broken) = (false, false);
    }

    /// @notice Loan token for one collateral token, raw for raw, times 1e36.
    function price() external view returns (uint256) {
        if (broken) revert OutOfOrder();
        if (holds) return held;
        return SCALE_FACTOR * answer(BASE_FEED_1) / answer(QUOTE_FEED_1);
    }

    function answer(IFeed feed) private view returns (uint256) {
        (, int256 told,,,) = feed.latestRoundData();
        return uint256(told);
    }
}
