"""Aave V3.0, deployed from the artifacts that its npm package ships: an old market, on the same tokens.

No devnet starts with it: it is put onto one that runs, beside the market that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from keeper.devnet.aave import E_MODES, FLASH_PREMIUM_BPS, RESERVES, SENTINEL_GRACE_S, TREASURY
from keeper.devnet.artifact import Artifact
from keeper.devnet.chain import Chain, Contract
from keeper.devnet.compile import CHECKOUT, CompileError
from keeper.devnet.tokens import TOKENS
from keeper.domain.address import ZERO_ADDRESS, Address
from keeper.domain.fixed_point import BPS, RAY

_ARTIFACTS = CHECKOUT / "node_modules/@aave/core-v3/artifacts/contracts"
_NAMES = (
    *(f"protocol/libraries/logic/{name}Logic" for name in ("Borrow", "Bridge", "Configurator", "EMode")),
    *(f"protocol/libraries/logic/{name}Logic" for name in ("FlashLoan", "Liquidation", "Pool", "Supply")),
    *(f"protocol/configuration/{name}" for name in ("ACLManager", "PoolAddressesProvider")),
    "protocol/configuration/PriceOracleSentinel",
    *(f"protocol/pool/{name}" for name in ("DefaultReserveInterestRateStrategy", "Pool", "PoolConfigurator")),
    *(f"protocol/tokenization/{name}" for name in ("AToken", "StableDebtToken", "VariableDebtToken")),
    "misc/AaveOracle",
    "mocks/oracle/SequencerOracle",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldMarket:
    """The deployed market."""

    provider: Contract
    pool: Contract
    configurator: Contract
    oracle: Contract
    sentinel: Contract
    sequencer_oracle: Contract
    a_tokens: Mapping[str, Address]
    debt_tokens: Mapping[str, Address]
    deployment_block: int


@cache
def read_aave_v3_0() -> Mapping[str, Artifact]:
    """Return Aave's contracts by name, as published. Raises CompileError where the package is missing."""
    if not _ARTIFACTS.is_dir():
        raise CompileError("no @aave/core-v3 in node_modules: run scripts/setup")
    files = [_ARTIFACTS / f"{name}.sol" / f"{name.rpartition('/')[2]}.json" for name in _NAMES]
    return {file.stem: Artifact.from_hardhat(file) for file in files}


def deploy_aave_v3_0(
    chain: Chain,
    aave: Mapping[str, Artifact],
    *,
    tokens: Mapping[str, Address],
    feeds: Mapping[str, Address],
    admin: Address,
) -> OldMarket:
    """Return the market, with every token listed and open to `admin`, who holds all roles.

    Reserves and e-modes are those of the newer market; nothing is lent at a stable rate.
    """
    provider = chain.deploy(aave["PoolAddressesProvider"], "keeper devnet, V3.0", admin, sender=admin)
    provider.send("setACLAdmin", admin, sender=admin)
    acl = chain.deploy(aave["ACLManager"], provider, sender=admin)
    provider.send("setACLManager", acl, sender=admin)
    acl.send("addPoolAdmin", admin, sender=admin)
    acl.send("addEmergencyAdmin", admin, sender=admin)
    oracle = chain.deploy(
        aave["AaveOracle"],
        provider,
        [tokens[symbol] for symbol in TOKENS],
        [feeds[symbol] for symbol in TOKENS],
        ZERO_ADDRESS,  # no fallback, and prices in USD
        ZERO_ADDRESS,
        10**8,
        sender=admin,
    )
    provider.send("setPriceOracle", oracle, sender=admin)

    libraries: dict[str, Address] = {}
    pool_code = chain.deploy(
        aave["Pool"], provider, libraries=_link(chain, aave, "Pool", libraries, admin), sender=admin
    )
    provider.send("setPoolImpl", pool_code, sender=admin)
    deployment_block = chain.block_number()
    pool = chain.contract(provider.address_of("getPool"), aave["Pool"].interface)
    configurator_code = chain.deploy(
        aave["PoolConfigurator"],
        libraries=_link(chain, aave, "PoolConfigurator", libraries, admin),
        sender=admin,
    )
    provider.send("setPoolConfiguratorImpl", configurator_code, sender=admin)
    configurator = chain.contract(
        provider.address_of("getPoolConfigurator"), aave["PoolConfigurator"].interface
    )
    configurator.send("updateFlashloanPremiumTotal", FLASH_PREMIUM_BPS, sender=admin)

    sequencer_oracle = chain.deploy(aave["SequencerOracle"], admin, sender=admin)
    sentinel = chain.deploy(
        aave["PriceOracleSentinel"], provider, sequencer_oracle, SENTINEL_GRACE_S, sender=admin
    )
    provider.send("setPriceOracleSentinel", sentinel, sender=admin)

    _list_reserves(chain, aave, provider, pool, configurator, tokens, admin)
    stored = {symbol: pool.call("getReserveData", tokens[symbol]) for symbol in TOKENS}
    return OldMarket(
        provider=provider,
        pool=pool,
        configurator=configurator,
        oracle=oracle,
        sentinel=sentinel,
        sequencer_oracle=sequencer_oracle,
        a_tokens={symbol: _address(reserve[8]) for symbol, reserve in stored.items()},
        debt_tokens={symbol: _address(reserve[10]) for symbol, reserve in stored.items()},
        deployment_block=deployment_block,
    )


def _link(
    chain: Chain, aave: Mapping[str, Artifact], name: str, deployed: dict[str, Address], admin: Address
) -> Mapping[str, Address]:
    """Return the libraries `deployed` so far, with those that this contract is linked with, and theirs."""
    for library in aave[name].libraries:
        if library not in deployed:
            _link(chain, aave, library, deployed, admin)
            deployed[library] = chain.deploy(aave[library], libraries=deployed, sender=admin).address
    return deployed


def _list_reserves(
    chain: Chain,
    aave: Mapping[str, Artifact],
    provider: Contract,
    pool: Contract,
    configurator: Contract,
    tokens: Mapping[str, Address],
    admin: Address,
) -> None:
    codes = [
        chain.deploy(aave[name], pool, sender=admin)
        for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    ]
    for symbol, spec in RESERVES.items():
        token = tokens[symbol]
        slopes = (spec.optimal_usage, spec.base_rate, spec.slope_1, spec.slope_2)
        rates = chain.deploy(
            aave["DefaultReserveInterestRateStrategy"],
            provider,
            *(rate * RAY // BPS for rate in slopes),
            *(0, 0, 0, 0, RAY // 5),  # of stable rates, of which only the last is not allowed to be zero
            sender=admin,
        )
        names = [name for kind in ("Aave", "Variable", "Stable") for name in (f"{kind} {symbol}", symbol)]
        configurator.send(
            "initReserves",
            [(*codes, TOKENS[symbol].decimals, rates, token, TREASURY, ZERO_ADDRESS, *names, b"")],
            sender=admin,
        )
        parameters = (spec.ltv, spec.liquidation_threshold, spec.liquidation_bonus)
        configurator.send("configureReserveAsCollateral", token, *parameters, sender=admin)
        configurator.send("setReserveBorrowing", token, True, sender=admin)
        configurator.send("setReserveFlashLoaning", token, True, sender=admin)
        configurator.send("setReserveFactor", token, spec.reserve_factor, sender=admin)
        configurator.send("setLiquidationProtocolFee", token, spec.protocol_fee, sender=admin)
    for category, e_mode in E_MODES.items():
        parameters = (e_mode.ltv, e_mode.liquidation_threshold, e_mode.liquidation_bonus)
        configurator.send("setEModeCategory", category, *parameters, ZERO_ADDRESS, e_mode.label, sender=admin)
        for symbol in e_mode.collaterals:
            configurator.send("setAssetEModeCategory", tokens[symbol], category, sender=admin)


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text.removeprefix("0x")))
