"""Morpho Blue, deployed from its own sources, with isolated markets and borrowers in them.

Its oracles follow the devnet's feeds, so what moves Aave's prices moves its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from keeper.devnet.accounts import morpho_borrower_address
from keeper.devnet.artifact import Artifact
from keeper.devnet.chain import Chain, Contract
from keeper.devnet.compile import CHECKOUT, MORPHO_SOLC, Compiled, compile_sources
from keeper.devnet.feeds import Feed
from keeper.devnet.tokens import TOKENS, give
from keeper.domain.address import Address, Hash32

_SOURCE = "@morpho-org/morpho-blue/src/Morpho.sol"
SETTINGS: Mapping[str, object] = {
    "optimizer": {"enabled": True, "runs": 999_999},
    "viaIR": True,
    "evmVersion": "paris",
    "metadata": {"bytecodeHash": "none"},
}
_WAD = 10**18
_NATIVE_WEI = 10**21

BORROWERS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSpec:
    """One isolated market, by the symbols of its tokens; `lltv_wad` is where liquidation begins."""

    collateral: str
    loan: str
    lltv_wad: int
    lent_usd: float
    """What lenders supply at the start."""
    fee_wad: int = 0

    @property
    def name(self) -> str:
        """Return how the devnet speaks of it."""
        return f"{self.collateral}/{self.loan}"


MARKETS: Mapping[str, MarketSpec] = {
    spec.name: spec
    for spec in (
        MarketSpec(collateral="WETH", loan="USDC", lltv_wad=86 * _WAD // 100, lent_usd=12e6),
        MarketSpec(
            collateral="WBTC", loan="USDC", lltv_wad=86 * _WAD // 100, lent_usd=8e6, fee_wad=_WAD // 10
        ),
        MarketSpec(collateral="wstETH", loan="WETH", lltv_wad=945 * _WAD // 1000, lent_usd=9e6),
        MarketSpec(collateral="wstETH", loan="USDT", lltv_wad=77 * _WAD // 100, lent_usd=3e6),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MorphoPosition:
    """What a borrower opens: collateral and loan in raw units."""

    market: str
    collateral_raw: int
    loan_raw: int


PRE_LIQUIDATED = ("WETH/USDC", "WBTC/USDC")
"""The markets with a contract that borrowers may opt into, to be closed a part before Morpho would."""
_PRE_LLTV_WAD = 78 * _WAD // 100
_PRE_PARAMETERS = (_PRE_LLTV_WAD, _WAD // 10, 6 * _WAD // 10, 101 * _WAD // 100, 104 * _WAD // 100)
"""From there on: 10 % may be closed at a bonus of 1 %; near the market's own limit 60 % at 4 %."""
_OPTS_IN_BELOW = 0.97
"""Of that loan-to-value: nobody opts into what may be closed at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Morpho:
    """The deployed markets."""

    contract: Contract
    irm: Contract
    oracles: Mapping[str, Contract]
    ids: Mapping[str, Hash32]
    params: Mapping[str, tuple[object, ...]]
    borrowers: tuple[Address, ...]
    deployment_block: int
    pre_factory: Contract
    pre_contracts: Mapping[str, Address]


@cache
def compile_morpho() -> Compiled:
    """Return Morpho, compiled as Morpho compiles it: nine seconds the first time."""
    sources = {_SOURCE: (CHECKOUT / "node_modules" / _SOURCE).read_text()}
    return compile_sources(sources, version=MORPHO_SOLC, settings=SETTINGS)


def draw(seed: int) -> tuple[MorphoPosition, ...]:
    """Return the positions: every market, $300 to $2M, health 1.02 to 1.6, at the starting prices.

    The first is so near its limit that a break of staked Ether makes it bad debt at once.
    """
    random = Random(f"morpho {seed}")
    names = [name for name in MARKETS for _ in range(4)][:BORROWERS]
    sizes_usd = [300 * (2e6 / 300) ** (place / (BORROWERS - 1)) for place in range(BORROWERS)]
    healths = [1.02 + 0.58 * (place / (BORROWERS - 1)) ** 2 for place in range(BORROWERS)]
    random.shuffle(sizes_usd)
    random.shuffle(healths)
    first = _position("wstETH/WETH", usd=250e3, health=1.0202)
    drawn = zip(names[1:], sizes_usd[1:], healths[1:], strict=True)
    return (first, *(_position(name, usd=usd, health=health) for name, usd, health in drawn))


def deploy_morpho(
    chain: Chain,
    own: Mapping[str, Artifact],
    *,
    tokens: Mapping[str, Contract],
    feeds: Mapping[str, Feed],
    positions: Sequence[MorphoPosition],
    admin: Address,
) -> Morpho:
    """Return Morpho with its markets, lent to by `admin`, and each position opened by a borrower."""
    morpho = chain.deploy(compile_morpho()["Morpho"], admin, sender=admin)
    deployment_block = chain.block_number()
    irm = chain.deploy(own["LinearRate"], sender=admin)
    morpho.send("enableIrm", irm, sender=admin)
    morpho.send("setFeeRecipient", admin, sender=admin)
    for lltv_wad in sorted({spec.lltv_wad for spec in MARKETS.values()}):
        morpho.send("enableLltv", lltv_wad, sender=admin)
    oracles, ids, params = {}, {}, {}
    for name, spec in MARKETS.items():
        oracle = chain.deploy(
            own["RatioOracle"],
            feeds[spec.collateral].proxy,
            feeds[spec.loan].proxy,
            TOKENS[spec.collateral].decimals,
            TOKENS[spec.loan].decimals,
            sender=admin,
        )
        made_of = (tokens[spec.loan], tokens[spec.collateral], oracle, irm, spec.lltv_wad)
        created = chain.receipt(morpho.send("createMarket", made_of, sender=admin))
        oracles[name], params[name] = oracle, made_of
        ids[name] = Hash32(bytes.fromhex(created["logs"][0]["topics"][1].removeprefix("0x")))
        if spec.fee_wad:
            morpho.send("setFee", made_of, spec.fee_wad, sender=admin)
        lent_raw = TOKENS[spec.loan].raw(spec.lent_usd)
        give(tokens, spec.loan, lent_raw, to=admin, market=admin)
        tokens[spec.loan].send("approve", morpho, lent_raw, sender=admin)
        morpho.send("supply", made_of, lent_raw, 0, admin, b"", sender=admin)
    people = tuple(morpho_borrower_address(place) for place in range(len(positions)))
    for borrower, position in zip(people, positions, strict=True):
        spec = MARKETS[position.market]
        chain.set_balance(borrower, _NATIVE_WEI)
        give(tokens, spec.collateral, position.collateral_raw, to=borrower, market=admin)
        tokens[spec.collateral].send("approve", morpho, position.collateral_raw, sender=borrower)
        made_of = params[position.market]
        morpho.send("supplyCollateral", made_of, position.collateral_raw, borrower, b"", sender=borrower)
        morpho.send("borrow", made_of, position.loan_raw, 0, borrower, borrower, sender=borrower)
    factory, pre_contracts = _offer_pre_liquidation(
        chain, own, morpho=morpho, ids=ids, oracles=oracles, admin=admin
    )
    for borrower, position in zip(people, positions, strict=True):
        if _opts_in(position):
            morpho.send("setAuthorization", pre_contracts[position.market], True, sender=borrower)
    return Morpho(
        contract=morpho,
        irm=irm,
        oracles=oracles,
        ids=ids,
        params=params,
        borrowers=people,
        deployment_block=deployment_block,
        pre_factory=factory,
        pre_contracts=pre_contracts,
    )


def _offer_pre_liquidation(
    chain: Chain,
    own: Mapping[str, Artifact],
    *,
    morpho: Contract,
    ids: Mapping[str, Hash32],
    oracles: Mapping[str, Contract],
    admin: Address,
) -> tuple[Contract, dict[str, Address]]:
    """Return a factory, and its contract for each market that has one: a stand-in, none is published."""
    factory = chain.deploy(own["MinimalPreLiquidationFactory"], morpho, sender=admin)
    contracts = {}
    for name in PRE_LIQUIDATED:
        parameters = (*_PRE_PARAMETERS, oracles[name])
        contracts[name] = factory.address_of("createPreLiquidation", ids[name], parameters)
        factory.send("createPreLiquidation", ids[name], parameters, sender=admin)
    return factory, contracts


def _opts_in(position: MorphoPosition) -> bool:
    """Return whether the borrower lets a part be closed early: every cautious one who can."""
    spec = MARKETS[position.market]
    collateral, loan = TOKENS[spec.collateral], TOKENS[spec.loan]
    has = position.collateral_raw * collateral.price_base * 10**loan.decimals
    owes = position.loan_raw * loan.price_base * 10**collateral.decimals
    return position.market in PRE_LIQUIDATED and owes * _WAD < has * _PRE_LLTV_WAD * _OPTS_IN_BELOW


def _position(market: str, *, usd: float, health: float) -> MorphoPosition:
    """Return the position with so much collateral, and as much debt as gives the health."""
    spec = MARKETS[market]
    return MorphoPosition(
        market=market,
        collateral_raw=TOKENS[spec.collateral].raw(usd),
        loan_raw=TOKENS[spec.loan].raw(usd * spec.lltv_wad / _WAD / health),
    )
