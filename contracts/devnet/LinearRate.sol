// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title A rate model as Morpho's markets have one, as simple as it can be: it rises with the utilisation
/// @notice For the devnet only. Interest accrues by it as by any other; nothing is stored, nothing adapts.
contract LinearRate {
    struct MarketParams {
        address loanToken;
        address collateralToken;
        address oracle;
        address irm;
        uint256 lltv;
    }

    struct Market {
        uint128 totalSupplyAssets;
        uint128 totalSupplyShares;
        uint128 totalBorrowAssets;
        uint128 totalBorrowShares;
        uint128 lastUpdate;
        uint128 fee;
    }

    uint256 private constant WAD = 1e18;
    uint256 private constant FLOOR = 0.01e18;
    uint256 private constant SLOPE = 0.08e18;

    /// @notice The rate per second: 1 % a year for nothing lent, 9 % for all.
    function borrowRateView(MarketParams memory, Market memory market) public pure returns (uint256) {
        uint256 utilisation =
            market.totalSupplyAssets == 0 ? 0 : market.totalBorrowAssets * WAD / market.totalSupplyAssets;
        return (FLOOR + SLOPE * utilisation / WAD) / 365 days;
    }

    function borrowRate(MarketParams memory params, Market memory market) external pure returns (uint256) {
        return borrowRateView(params, market);
    }
}
