// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

interface IMorphoLike {
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

    struct Position {
        uint256 supplyShares;
        uint128 borrowShares;
        uint128 collateral;
    }

    function market(bytes32 id) external view returns (Market memory);
    function position(bytes32 id, address account) external view returns (Position memory);
    function idToMarketParams(bytes32 id) external view returns (MarketParams memory);
    function accrueInterest(MarketParams memory params) external;
    function repay(MarketParams memory params, uint256 assets, uint256 shares, address onBehalf, bytes calldata data)
        external
        returns (uint256, uint256);
    function withdrawCollateral(MarketParams memory params, uint256 assets, address onBehalf, address receiver) external;
}

interface IPriced {
    function price() external view returns (uint256);
}

interface ILoanToken {
    function approve(address spender, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

interface IPreLiquidator {
    function onPreLiquidate(uint256 repaid, bytes calldata data) external;
}

/// @title A stand-in for Morpho's pre-liquidation contract, which no package carries
/// @notice For the devnet only, and not Morpho's: written from what the real one is known to do, with its entry, its
/// callback, its errors and its rounding. The arithmetic is held to recorded answers of the real one elsewhere.
contract MinimalPreLiquidation {
    struct Params {
        uint256 preLltv;
        uint256 preLCF1;
        uint256 preLCF2;
        uint256 preLIF1;
        uint256 preLIF2;
        address preLiquidationOracle;
    }

    error InconsistentInput();
    error LiquidatablePosition();
    error NotPreLiquidatablePosition();
    error PreLiquidationTooLarge(uint256 repaidShares, uint256 repayableShares);
    error NotMorpho();

    uint256 private constant WAD = 1e18;
    uint256 private constant PRICE_SCALE = 1e36;

    IMorphoLike public immutable MORPHO;
    bytes32 public immutable ID;
    Params private params;
    IMorphoLike.MarketParams private made;

    constructor(IMorphoLike morpho, bytes32 id, Params memory params_) {
        (MORPHO, ID, params, made) = (morpho, id, params_, morpho.idToMarketParams(id));
        ILoanToken(made.loanToken).approve(address(morpho), type(uint256).max);
    }

    function preLiquidationParams() external view returns (Params memory) {
        return params;
    }

    function marketParams() external view returns (IMorphoLike.MarketParams memory) {
        return made;
    }

    /// @notice Close a part of a position that is beyond `preLltv`, and not yet Morpho's own to liquidate.
    function preLiquidate(address borrower, uint256 seizedAssets, uint256 repaidShares, bytes calldata data)
        external
        returns (uint256, uint256)
    {
        if ((seizedAssets == 0) == (repaidShares == 0)) revert InconsistentInput();
        MORPHO.accrueInterest(made);
        (seizedAssets, repaidShares) = offered(borrower, seizedAssets, repaidShares);
        bytes memory told = abi.encode(seizedAssets, borrower, msg.sender, data);
        (uint256 repaid,) = MORPHO.repay(made, 0, repaidShares, borrower, told);
        return (seizedAssets, repaid);
    }

    /// @notice The collateral goes out first, then the liquidator is called, then the debt is taken.
    function onMorphoRepay(uint256 repaid, bytes calldata told) external {
        if (msg.sender != address(MORPHO)) revert NotMorpho();
        (uint256 seized, address borrower, address liquidator, bytes memory data) =
            abi.decode(told, (uint256, address, address, bytes));
        MORPHO.withdrawCollateral(made, seized, borrower, liquidator);
        if (data.length > 0) IPreLiquidator(liquidator).onPreLiquidate(repaid, data);
        ILoanToken(made.loanToken).transferFrom(liquidator, address(this), repaid);
    }

    /// What is seized and repaid where one of the two is asked for.
    function offered(address borrower, uint256 seized, uint256 repaid) private view returns (uint256, uint256) {
        IMorphoLike.Market memory market = MORPHO.market(ID);
        IMorphoLike.Position memory position = MORPHO.position(ID, borrower);
        uint256 price = IPriced(params.preLiquidationOracle).price();
        uint256 way = wayToLimit(market, position, price);
        uint256 incentive = between(way, params.preLIF1, params.preLIF2);
        if (seized > 0) {
            uint256 quoted = up(seized * price, PRICE_SCALE);
            repaid = up(up(quoted * WAD, incentive) * shares(market), assets(market));
        } else {
            seized = repaid * assets(market) / shares(market) * incentive / WAD * PRICE_SCALE / price;
        }
        uint256 repayable = position.borrowShares * between(way, params.preLCF1, params.preLCF2) / WAD;
        if (repaid > repayable) revert PreLiquidationTooLarge(repaid, repayable);
        return (seized, repaid);
    }

    /// How far from `preLltv` to the market's own limit the position is.
    function wayToLimit(IMorphoLike.Market memory market, IMorphoLike.Position memory position, uint256 price)
        private
        view
        returns (uint256)
    {
        uint256 value = position.collateral * price / PRICE_SCALE;
        uint256 owed = up(position.borrowShares * assets(market), shares(market));
        if (owed > value * made.lltv / WAD) revert LiquidatablePosition();
        if (owed <= value * params.preLltv / WAD) revert NotPreLiquidatablePosition();
        return (up(owed * WAD, value) - params.preLltv) * WAD / (made.lltv - params.preLltv);
    }

    function between(uint256 way, uint256 first, uint256 second) private pure returns (uint256) {
        return way * (second - first) / WAD + first;
    }

    function assets(IMorphoLike.Market memory market) private pure returns (uint256) {
        return uint256(market.totalBorrowAssets) + 1;
    }

    function shares(IMorphoLike.Market memory market) private pure returns (uint256) {
        return uint256(market.totalBorrowShares) + 1e6;
    }

    function up(uint256 product, uint256 divisor) private pure returns (uint256) {
        return (product + divisor - 1) / divisor;
    }
}

/// @title Makes them, and says so
contract MinimalPreLiquidationFactory {
    event CreatePreLiquidation(
        address indexed preLiquidation, bytes32 id, MinimalPreLiquidation.Params preLiquidationParams
    );

    IMorphoLike public immutable MORPHO;
    mapping(address => bool) public isPreLiquidation;

    constructor(IMorphoLike morpho) {
        MORPHO = morpho;
    }

    function createPreLiquidation(bytes32 id, MinimalPreLiquidation.Params calldata params)
        external
        returns (MinimalPreLiquidation made)
    {
        made = new MinimalPreLiquidation(MORPHO, id, params);
        isPreLiquidation[address(made)] = true;
        emit CreatePreLiquidation(address(made), id, params);
    }
}
