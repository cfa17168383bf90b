"""Aave V3.6, deployed from its own sources as its own scripts do it, and its reserves listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from keeper.devnet.artifact import Artifact
from keeper.devnet.chain import Chain, Contract
from keeper.devnet.compile import AAVE_SOLC, CHECKOUT, Compiled, compile_sources
from keeper.devnet.feeds import Feed
from keeper.devnet.tokens import TOKENS
from keeper.domain.address import Address

_SOURCES = "@aave-dao/aave-v3-origin/src/contracts/"
_ROOTS = (
    "instances/PoolInstance.sol",
    "instances/PoolConfiguratorInstance.sol",
    "instances/ATokenInstance.sol",
    "instances/VariableDebtTokenInstance.sol",
    "protocol/libraries/logic/BorrowLogic.sol",
    "protocol/libraries/logic/ConfiguratorLogic.sol",
    "protocol/libraries/logic/FlashLoanLogic.sol",
    "protocol/libraries/logic/LiquidationLogic.sol",
    "protocol/libraries/logic/PoolLogic.sol",
    "protocol/libraries/logic/SupplyLogic.sol",
    "protocol/configuration/PoolAddressesProvider.sol",
    "protocol/configuration/PoolAddressesProviderRegistry.sol",
    "protocol/configuration/ACLManager.sol",
    "misc/AaveOracle.sol",
    "misc/DefaultReserveInterestRateStrategyV2.sol",
    "misc/PriceOracleSentinel.sol",
    "helpers/AaveProtocolDataProvider.sol",
    "helpers/LiquidationDataProvider.sol",
    "helpers/UiPoolDataProviderV3.sol",
    "rewards/EmissionManager.sol",
    "rewards/RewardsController.sol",
    "mocks/oracle/SequencerOracle.sol",
    "mocks/testnet-helpers/TestnetERC20.sol",
    "dependencies/weth/WETH9.sol",
)
_SETTINGS: Mapping[str, object] = {
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "shanghai",
    "metadata": {"bytecodeHash": "none"},
}
_REMAPPINGS = {
    "openzeppelin-contracts/contracts/": "@openzeppelin/contracts/",
    "openzeppelin-contracts-upgradeable/contracts/": "@openzeppelin/contracts-upgradeable/",
    "solidity-utils/contracts/": "@bgd-labs/solidity-utils/src/contracts/",
}
_INCENTIVES = bytes.fromhex("703c2c8634bed68d98c029c18f310e7f7ec0e5d6342c590190b3cb8b3ba54532")
"""``keccak256("INCENTIVES_CONTROLLER")``: what the provider knows the rewards by."""

FLASH_PREMIUM_BPS = 5
SENTINEL_GRACE_S = 3_600
TREASURY = Address(bytes.fromhex("7ea5".rjust(40, "0")))
"""Takes the protocol's fees; nobody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveSpec:
    """A reserve's parameters, all in bps. About those of Aave's Ethereum market."""

    ltv: int
    liquidation_threshold: int
    liquidation_bonus: int
    reserve_factor: int
    optimal_usage: int
    slope_1: int
    slope_2: int
    lent_usd: float
    """What lenders besides the borrowers supply at the start."""
    base_rate: int = 0
    protocol_fee: int = 10_00


@dataclass(frozen=True, slots=True, kw_only=True)
class EModeSpec:
    """An e-mode category, in bps."""

    label: str
    ltv: int
    liquidation_threshold: int
    liquidation_bonus: int
    collaterals: tuple[str, ...]
    borrowables: tuple[str, ...]


RESERVES: Mapping[str, ReserveSpec] = {
    "WETH": ReserveSpec(
        ltv=80_50,
        liquidation_threshold=83_00,
        liquidation_bonus=105_00,
        reserve_factor=15_00,
        optimal_usage=90_00,
        slope_1=2_70,
        slope_2=80_00,
        lent_usd=60e6,
    ),
    "WBTC": ReserveSpec(
        ltv=73_00,
        liquidation_threshold=78_00,
        liquidation_bonus=105_00,
        reserve_factor=50_00,
        optimal_usage=80_00,
        slope_1=4_00,
        slope_2=300_00,
        lent_usd=20e6,
        base_rate=25,
    ),
    "USDC": ReserveSpec(
        ltv=75_00,
        liquidation_threshold=78_00,
        liquidation_bonus=104_50,
        reserve_factor=10_00,
        optimal_usage=92_00,
        slope_1=6_00,
        slope_2=40_00,
        lent_usd=40e6,
    ),
    "USDT": ReserveSpec(
        ltv=75_00,
        liquidation_threshold=78_00,
        liquidation_bonus=104_50,
        reserve_factor=10_00,
        optimal_usage=92_00,
        slope_1=6_00,
        slope_2=40_00,
        lent_usd=25e6,
    ),
    "wstETH": ReserveSpec(
        ltv=78_50,
        liquidation_threshold=81_00,
        liquidation_bonus=106_00,
        reserve_factor=35_00,
        optimal_usage=80_00,
        slope_1=2_00,
        slope_2=85_00,
        lent_usd=10e6,
    ),
}

E_MODES: Mapping[int, EModeSpec] = {
    1: EModeSpec(
        label="ETH correlated",
        ltv=93_00,
        liquidation_threshold=95_00,
        liquidation_bonus=101_00,
        collaterals=("wstETH", "WETH"),
        borrowables=("WETH", "wstETH"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AaveMarket:
    """The deployed market."""

    provider: Contract
    pool: Contract
    configurator: Contract
    oracle: Contract
    data_provider: Contract
    liquidation_data_provider: Contract
    ui_data_provider: Contract
    sentinel: Contract
    sequencer_oracle: Contract
    a_tokens: Mapping[str, Address]
    debt_tokens: Mapping[str, Address]
    deployment_block: int


@cache
def compile_aave() -> Compiled:
    """Return Aave's contracts, compiled as Aave compiles them: ten seconds the first time."""
    sources = {name: (CHECKOUT / "node_modules" / name).read_text() for name in map(_SOURCES.__add__, _ROOTS)}
    return compile_sources(sources, version=AAVE_SOLC, settings=_SETTINGS, remappings=_REMAPPINGS)


def deploy_aave(
    chain: Chain,
    aave: Mapping[str, Artifact],
    *,
    tokens: Mapping[str, Contract],
    feeds: Mapping[str, Feed],
    admin: Address,
) -> AaveMarket:
    """Return the market, with every token listed and open to `admin`, who holds all roles."""
    provider = chain.deploy(aave["PoolAddressesProvider"], "keeper devnet", admin, sender=admin)
    registry = chain.deploy(aave["PoolAddressesProviderRegistry"], admin, sender=admin)
    registry.send("registerAddressesProvider", provider, 1, sender=admin)

    provider.send("setACLAdmin", admin, sender=admin)
    acl = chain.deploy(aave["ACLManager"], provider, sender=admin)
    provider.send("setACLManager", acl, sender=admin)
    acl.send("addPoolAdmin", admin, sender=admin)
    acl.send("addEmergencyAdmin", admin, sender=admin)

    symbols = list(TOKENS)
    oracle = chain.deploy(
        aave["AaveOracle"],
        provider,
        [tokens[symbol] for symbol in symbols],
        [feeds[symbol].proxy for symbol in symbols],
        bytes(20),  # no fallback, and prices in USD
        bytes(20),
        10**8,
        sender=admin,
    )
    provider.send("setPriceOracle", oracle, sender=admin)

    rates = chain.deploy(aave["DefaultReserveInterestRateStrategyV2"], provider, sender=admin)
    libraries = _deploy_libraries(chain, aave, ("PoolInstance", "PoolConfiguratorInstance"), admin)
    pool_code = chain.deploy(aave["PoolInstance"], provider, rates, libraries=libraries, sender=admin)
    provider.send("setPoolImpl", pool_code, sender=admin)
    deployment_block = chain.block_number()
    pool = chain.contract(provider.address_of("getPool"), aave["PoolInstance"].interface)
    configurator_code = chain.deploy(aave["PoolConfiguratorInstance"], libraries=libraries, sender=admin)
    provider.send("setPoolConfiguratorImpl", configurator_code, sender=admin)
    configurator = chain.contract(
        provider.address_of("getPoolConfigurator"), aave["PoolConfiguratorInstance"].interface
    )
    configurator.send("updateFlashloanPremium", FLASH_PREMIUM_BPS, sender=admin)

    sequencer_oracle = chain.deploy(aave["SequencerOracle"], admin, sender=admin)
    sentinel = chain.deploy(
        aave["PriceOracleSentinel"], provider, sequencer_oracle, SENTINEL_GRACE_S, sender=admin
    )
    provider.send("setPriceOracleSentinel", sentinel, sender=admin)

    data_provider = chain.deploy(aave["AaveProtocolDataProvider"], provider, sender=admin)
    provider.send("setPoolDataProvider", data_provider, sender=admin)

    rewards = _deploy_rewards(chain, aave, provider, admin)
    a_token_code = chain.deploy(aave["ATokenInstance"], pool, rewards, TREASURY, sender=admin)
    debt_token_code = chain.deploy(aave["VariableDebtTokenInstance"], pool, rewards, sender=admin)
    configurator.send(
        "initReserves",
        [_init_input(symbol, tokens[symbol], a_token_code, debt_token_code) for symbol in symbols],
        sender=admin,
    )
    for symbol, spec in RESERVES.items():
        configurator.send("setReserveBorrowing", tokens[symbol], True, sender=admin)
        configurator.send("setReserveFlashLoaning", tokens[symbol], True, sender=admin)
        configurator.send("setReserveFactor", tokens[symbol], spec.reserve_factor, sender=admin)
        configurator.send("setLiquidationProtocolFee", tokens[symbol], spec.protocol_fee, sender=admin)

    eth_feed = feeds["WETH"].proxy
    market = AaveMarket(
        provider=provider,
        pool=pool,
        configurator=configurator,
        oracle=oracle,
        data_provider=data_provider,
        liquidation_data_provider=chain.deploy(aave["LiquidationDataProvider"], pool, provider, sender=admin),
        ui_data_provider=chain.deploy(aave["UiPoolDataProviderV3"], eth_feed, eth_feed, sender=admin),
        sentinel=sentinel,
        sequencer_oracle=sequencer_oracle,
        a_tokens={symbol: pool.address_of("getReserveAToken", tokens[symbol]) for symbol in symbols},
        debt_tokens={
            symbol: pool.address_of("getReserveVariableDebtToken", tokens[symbol]) for symbol in symbols
        },
        deployment_block=deployment_block,
    )
    set_loan_to_value(market, tokens, admin=admin, generous=False)
    for category, e_mode in E_MODES.items():
        for symbol in e_mode.collaterals:
            configurator.send("setAssetCollateralInEMode", tokens[symbol], category, True, sender=admin)
        for symbol in e_mode.borrowables:
            configurator.send("setAssetBorrowableInEMode", tokens[symbol], category, True, sender=admin)
    return market


def set_loan_to_value(
    market: AaveMarket, tokens: Mapping[str, Contract], *, admin: Address, generous: bool
) -> None:
    """Set what may be borrowed against collateral: as specified, or, if `generous`, up to the threshold.

    Then a position can be opened at a health factor just above 1, where else the market must move first.
    """
    for symbol, spec in RESERVES.items():
        ltv = spec.liquidation_threshold if generous else spec.ltv
        market.configurator.send(
            "configureReserveAsCollateral",
            tokens[symbol],
            ltv,
            spec.liquidation_threshold,
            spec.liquidation_bonus,
            sender=admin,
        )
    for category, e_mode in E_MODES.items():
        ltv = e_mode.liquidation_threshold if generous else e_mode.ltv
        market.configurator.send(
            "setEModeCategory",
            category,
            ltv,
            e_mode.liquidation_threshold,
            e_mode.liquidation_bonus,
            e_mode.label,
            sender=admin,
        )


def _deploy_libraries(
    chain: Chain, aave: Mapping[str, Artifact], users: tuple[str, ...], admin: Address
) -> dict[str, Address]:
    """Return the libraries that these contracts are linked with, and those libraries' own."""
    deployed: dict[str, Address] = {}

    def deploy(name: str) -> None:
        for library in aave[name].libraries:
            if library not in deployed:
                deploy(library)
                deployed[library] = chain.deploy(aave[library], libraries=deployed, sender=admin).address

    for user in users:
        deploy(user)
    return deployed


def _deploy_rewards(
    chain: Chain, aave: Mapping[str, Artifact], provider: Contract, admin: Address
) -> Address:
    """Return the rewards controller: nothing is rewarded, but every transfer asks it, as on mainnet."""
    emission = chain.deploy(aave["EmissionManager"], admin, sender=admin)
    code = chain.deploy(aave["RewardsController"], emission, sender=admin)
    provider.send("setAddressAsProxy", _INCENTIVES, code, sender=admin)
    rewards = provider.address_of("getAddress", _INCENTIVES)
    emission.send("setRewardsController", rewards, sender=admin)
    return rewards


def _init_input(
    symbol: str, token: Contract, a_token_code: Contract, debt_token_code: Contract
) -> tuple[object, ...]:
    spec = RESERVES[symbol]
    rates = (spec.optimal_usage, spec.base_rate, spec.slope_1, spec.slope_2)
    return (
        a_token_code,
        debt_token_code,
        token,
        f"Aave {symbol}",
        f"a{symbol}",
        f"Aave Variable Debt {symbol}",
        f"variableDebt{symbol}",
        b"",
        b"".join(rate.to_bytes(32) for rate in rates),
    )
