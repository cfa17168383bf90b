// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

interface IPriceFeed {
    function decimals() external view returns (uint8);
    function latestAnswer() external view returns (int256);
}

interface IShares {
    function getPooledEthByShares(uint256 shares) external view returns (uint256);
}

// What stands between a feed and a protocol's price, in small. For the devnet's tests only: each stands for a
// contract that no package publishes, answers to the same getters, and rounds where that does. Anybody may set them.

/// @title A price times a ratio that grows by so much a second at most: stands for Aave's PriceCapAdapterBase
contract CappedRatio {
    IPriceFeed public immutable BASE_TO_USD_AGGREGATOR;
    uint8 public constant RATIO_DECIMALS = 18;
    int256 public getRatio;
    uint256 public getSnapshotRatio;
    uint256 public immutable getSnapshotTimestamp;
    uint256 public immutable getMaxRatioGrowthPerSecond;
    string public description;

    constructor(IPriceFeed base, int256 ratio, uint256 growthPerSecond, string memory description_) {
        BASE_TO_USD_AGGREGATOR = base;
        (getRatio, getSnapshotRatio) = (ratio, uint256(ratio));
        getSnapshotTimestamp = block.timestamp;
        getMaxRatioGrowthPerSecond = growthPerSecond;
        description = description_;
    }

    function setRatio(int256 ratio) external {
        getRatio = ratio;
    }

    function latestAnswer() external view virtual returns (int256) {
        int256 base = BASE_TO_USD_AGGREGATOR.latestAnswer();
        if (base <= 0 || getRatio <= 0) return 0;
        int256 most =
            int256(getSnapshotRatio + getMaxRatioGrowthPerSecond * (block.timestamp - getSnapshotTimestamp));
        return base * (most < getRatio ? most : getRatio) / int256(10 ** RATIO_DECIMALS);
    }
}

/// @title One that looks like the above and computes otherwise: no formula that is known fits it
contract NearlyCappedRatio is CappedRatio {
    constructor(IPriceFeed base, int256 ratio) CappedRatio(base, ratio, 0, "nearly") {}

    function latestAnswer() external view override returns (int256) {
        return BASE_TO_USD_AGGREGATOR.latestAnswer() * getRatio / 1e18 + 1;
    }
}

/// @title A price, a cap at most: stands for Aave's PriceCapAdapterStable
contract Capped {
    IPriceFeed public immutable ASSET_TO_USD_AGGREGATOR;
    int256 public getPriceCap;

    constructor(IPriceFeed asset, int256 cap) {
        (ASSET_TO_USD_AGGREGATOR, getPriceCap) = (asset, cap);
    }

    function latestAnswer() external view returns (int256) {
        int256 answer = ASSET_TO_USD_AGGREGATOR.latestAnswer();
        return answer > getPriceCap ? getPriceCap : answer;
    }
}

/// @title A price, at most so many times another: stands for Aave's EURPriceCapAdapterStable
contract CappedByBase {
    IPriceFeed public immutable ASSET_TO_USD_AGGREGATOR;
    IPriceFeed public immutable BASE_TO_USD_AGGREGATOR;
    uint8 public constant RATIO_DECIMALS = 8;
    int256 public getPriceCapRatio;

    constructor(IPriceFeed asset, IPriceFeed base, int256 ratio) {
        (ASSET_TO_USD_AGGREGATOR, BASE_TO_USD_AGGREGATOR, getPriceCapRatio) = (asset, base, ratio);
    }

    function latestAnswer() external view returns (int256) {
        int256 most = BASE_TO_USD_AGGREGATOR.latestAnswer() * getPriceCapRatio / int256(10 ** RATIO_DECIMALS);
        int256 answer = ASSET_TO_USD_AGGREGATOR.latestAnswer();
        return answer > most ? most : answer;
    }
}

/// @title A price less a share of it: stands for both editions of Aave's PendlePriceCapAdapter
contract Discounted {
    IPriceFeed public immutable ASSET_TO_USD_AGGREGATOR;
    uint256 public immutable PERCENTAGE_FACTOR;
    uint256 public getCurrentDiscount;

    constructor(IPriceFeed asset, uint256 whole, uint256 discount) {
        (ASSET_TO_USD_AGGREGATOR, PERCENTAGE_FACTOR, getCurrentDiscount) = (asset, whole, discount);
    }

    function latestAnswer() external view returns (int256) {
        uint256 answer = uint256(ASSET_TO_USD_AGGREGATOR.latestAnswer());
        if (PERCENTAGE_FACTOR == 1e18) return int256(answer * (1e18 - getCurrentDiscount) / 1e18);
        return int256(answer - answer * getCurrentDiscount / PERCENTAGE_FACTOR);
    }
}

/// @title Asset in peg times peg in base: stands for CLSynchronicityPriceAdapterPegToBase
contract PegToBase {
    IPriceFeed public immutable ASSET_TO_PEG;
    IPriceFeed public immutable PEG_TO_BASE;
    uint8 public immutable DECIMALS;
    int256 public immutable DENOMINATOR;

    constructor(IPriceFeed asset, IPriceFeed peg, uint8 decimals) {
        (ASSET_TO_PEG, PEG_TO_BASE, DECIMALS) = (asset, peg, decimals);
        DENOMINATOR = int256(10 ** (asset.decimals() + peg.decimals()));
    }

    function latestAnswer() external view returns (int256) {
        return ASSET_TO_PEG.latestAnswer() * PEG_TO_BASE.latestAnswer() * int256(10 ** DECIMALS) / DENOMINATOR;
    }
}

/// @title Asset in peg over base in peg: stands for CLSynchronicityPriceAdapterBaseToPeg
contract BaseToPeg {
    IPriceFeed public immutable ASSET_TO_PEG;
    IPriceFeed public immutable BASE_TO_PEG;
    uint8 public immutable DECIMALS;

    constructor(IPriceFeed asset, IPriceFeed base, uint8 decimals) {
        (ASSET_TO_PEG, BASE_TO_PEG, DECIMALS) = (asset, base, decimals);
    }

    function latestAnswer() external view returns (int256) {
        return ASSET_TO_PEG.latestAnswer() * int256(10 ** DECIMALS) / BASE_TO_PEG.latestAnswer();
    }
}

/// @title What a wrapped token holds, at the price of that: stands for WstETHSynchronicityPriceAdapter
contract Wrapped {
    IPriceFeed public immutable ETH_TO_BASE;
    IShares public immutable STETH;

    constructor(IPriceFeed ether_, IShares shares) {
        (ETH_TO_BASE, STETH) = (ether_, shares);
    }

    function latestAnswer() external view returns (int256) {
        return ETH_TO_BASE.latestAnswer() * int256(STETH.getPooledEthByShares(1e18)) / 1e18;
    }
}

/// @title An answer of nobody knows where
contract Opaque {
    int256 public latestAnswer;
    string public constant description = "opaque";

    constructor(int256 answer) {
        latestAnswer = answer;
    }
}
