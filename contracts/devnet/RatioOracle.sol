// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

interface IFeed {
    function latestAnswer() external view returns (int256);
}

/// @title An oracle as Morpho's markets have one: collateral in units of the loan token, from two feeds
/// @notice For the devnet only. Its owner can hold its price still, or break it: both happen to real ones.
contract RatioOracle {
    error NotOwner();
    error OutOfOrder();

    uint256 private constant SCALE = 1e36;

    address public immutable owner;
    IFeed public immutable collateralFeed;
    IFeed public immutable loanFeed;
    uint256 private immutable collateralUnit;
    uint256 private immutable loanUnit;

    uint256 public held;
    bool public holds;
    bool public broken;

    constructor(IFeed collateralFeed_, IFeed loanFeed_, uint8 collateralDecimals, uint8 loanDecimals) {
        owner = msg.sender;
        collateralFeed = collateralFeed_;
        loanFeed = loanFeed_;
        collateralUnit = 10 ** collateralDecimals;
        loanUnit = 10 ** loanDecimals;
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
        uint256 worth = uint256(collateralFeed.latestAnswer()) * loanUnit;
        return worth * SCALE / (uint256(loanFeed.latestAnswer()) * collateralUnit);
    }
}
