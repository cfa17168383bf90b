"""A thousand random markets, positions and calls: our arithmetic and the real Morpho, to the wei.

Nothing is aimed at by the contract's answer: a case is drawn so as to lead to a class of outcome, and counted
by the outcome that it had.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import pytest

from keeper.abi import load
from keeper.devnet.devnet import Devnet
from keeper.domain.fixed_point import WAD
from keeper.domain.head import NextBlock
from keeper.domain.position import Opportunity
from keeper.protocols.morpho_blue.accrual import accrue
from keeper.protocols.morpho_blue.arithmetic import Refusal, Refused
from keeper.protocols.morpho_blue.liquidation import (
    PRICE_SCALE,
    Close,
    health_factor_wad,
    liquidate,
    owed_raw,
)
from keeper.protocols.morpho_blue.state import IsolatedMarket, Markets, Position, Row, Totals
from keeper.reverts import explained
from tests.fork.aave_v3_stage import BORROWER, LIQUIDATOR, RICH, Ran, Stage
from tests.fork.morpho_stage import LENS, MORPHO, MorphoScene, Posed, lens

_LIQUIDATE = MORPHO.function("liquidate")
_MARKET = MORPHO.function("market")
_POSITION = MORPHO.function("position")
_BALANCE = load("erc20").function("balanceOf")

_CASES = 1_200
_LEAST_OF_EACH = 30
_YEAR_S = 365 * 86_400
_MOST_UINT128 = 2**128 - 1
_NO_ORACLE = "the oracle reverts"
_NO_RATE = "the rate model reverts"


# --- drawing a case -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A market, a position, and how much of which is asked for."""

    posed: Posed
    ask: Callable[[Totals, Random], tuple[int, int]]
    """Gives what is seized and which shares are repaid, upon the totals as they are when it runs."""


def market(rng: Random, *, health: float, loan_raw: int | None = None, lltv: float | None = None) -> Posed:
    """Return a market whose one position has about that health once a while has passed."""
    lltv_wad = int((lltv or rng.choice([0.385, 0.625, 0.77, 0.86, 0.915, 0.945, 0.98])) * WAD)
    collateral, loan = rng.sample(["WETH", "WBTC", "USDC", "USDT", "wstETH"], 2)
    owes = loan_raw or int(10 ** rng.uniform(4, 14))
    others = int(owes * rng.choice([0, rng.uniform(0, 20)]))
    borrow_assets = owes + others
    per_asset = rng.choice([10**6, rng.uniform(0.5, 1) * 10**6])
    shares = int(owes * per_asset) + rng.randrange(10**6)
    lent = int(borrow_assets * rng.uniform(1, 3))
    price = int(10 ** rng.uniform(24, 46))
    has = int(owes * PRICE_SCALE * WAD * health / lltv_wad / price) + rng.randrange(2)
    return Posed(
        totals=Totals(
            lent,
            int(lent * rng.uniform(0.7, 1) * 10**6),
            borrow_assets,
            shares + int(others * per_asset),
            1,  # the age is set when it is known at which time the case runs
            rng.choice([0, rng.randrange(WAD // 4)]),
        ),
        position=Position(borrow_shares=shares, collateral=max(has, 1)),
        lltv_wad=lltv_wad,
        price=price,
        rate_wad=rng.choice([0, rng.randrange(1, 10**11)]),
        has_irm=rng.random() < 0.8,
        collateral=collateral,
        loan=loan,
    )


def part_of_shares(posed: Posed, rng: Random) -> Callable[[Totals, Random], tuple[int, int]]:
    shares = max(int(posed.position.borrow_shares * rng.uniform(0, 0.9)), 1)
    return lambda totals, _: (0, shares)


def part_of_collateral(posed: Posed, rng: Random) -> Callable[[Totals, Random], tuple[int, int]]:
    seized = max(int(posed.position.collateral * rng.uniform(0, 0.7)), 1)
    return lambda totals, _: (seized, 0)


def draw(kind: str, rng: Random) -> Case:
    """Return a case that may well end as `kind` says."""
    unhealthy = market(rng, health=rng.uniform(0.7, 0.99))
    all_of = unhealthy.position
    match kind:
        case "part, by shares":
            return Case(unhealthy, part_of_shares(unhealthy, rng))
        case "part, by collateral":
            return Case(unhealthy, part_of_collateral(unhealthy, rng))
        case "all debt":
            posed = market(rng, health=rng.uniform(0.98, 0.999))
            return Case(posed, lambda totals, _: (0, posed.position.borrow_shares))
        case "all collateral" | "bad debt":
            posed = market(rng, health=rng.uniform(0.3, 0.8))
            return Case(posed, lambda totals, _: (posed.position.collateral, 0))
        case "healthy":
            posed = market(rng, health=rng.uniform(1.3, 3))
            return Case(posed, part_of_shares(posed, rng))
        case "at the limit":
            return Case(replace(unhealthy, price=None), part_of_shares(unhealthy, rng))  # priced when posed
        case "tiny":
            posed = market(rng, health=rng.uniform(0.6, 0.99), loan_raw=rng.randrange(1, 50))
            ask = rng.choice([part_of_shares, part_of_collateral])
            return Case(posed, ask(posed, rng))
        case "both or neither":
            both = rng.choice([(0, 0), (1, 1), (all_of.collateral, all_of.borrow_shares)])
            return Case(unhealthy, lambda totals, _: both)
        case "not created":
            return Case(
                replace(unhealthy, totals=unhealthy.totals._replace(updated_at_s=0)),
                part_of_shares(unhealthy, rng),
            )
        case "more than there is":
            more = rng.choice([1, 2, rng.randrange(1, 10**6)])
            asked = rng.choice(
                [(0, all_of.borrow_shares + more), (all_of.collateral + all_of.collateral // 10 + more, 0)]
            )
            return Case(unhealthy, lambda totals, _: asked)
        case "beyond 128 bits":
            beyond = _MOST_UINT128 + rng.randrange(1, 10**9)
            price = rng.choice([1, unhealthy.price])
            asked = (0, all_of.borrow_shares) if price == 1 else (0, beyond)
            return Case(replace(unhealthy, price=price), lambda totals, _: asked)
        case "beyond 256 bits":
            price = rng.choice([2**255, 2**256 - 1, 2**200])
            return Case(replace(unhealthy, price=price), part_of_collateral(unhealthy, rng))
        case "price of zero":
            ask = rng.choice([part_of_shares, part_of_collateral])
            return Case(replace(unhealthy, price=0), ask(unhealthy, rng))
        case "no oracle":
            return Case(replace(unhealthy, price=None), part_of_shares(unhealthy, rng))
        case "no rate":
            return Case(replace(unhealthy, rate_wad=None, has_irm=True), part_of_shares(unhealthy, rng))
        case "one of the terms":
            posed = market(rng, health=rng.uniform(0.85, 0.999), loan_raw=int(10 ** rng.uniform(5, 13)))
            return Case(posed, part_of_shares(posed, rng))
    raise ValueError(kind)


_KINDS = (
    *("part, by shares", "part, by collateral", "all debt", "all collateral", "bad debt", "healthy"),
    *("at the limit", "tiny", "both or neither", "not created", "more than there is", "beyond 128 bits"),
    *("beyond 256 bits", "price of zero", "no oracle", "no rate", "one of the terms", "one of the terms"),
)


def pose(stage: Stage, kind: str, case: Case, rng: Random) -> MorphoScene:
    """Return the case's scene, some time after its market was last stored."""
    at_s = stage.now_s + rng.choice([1, 12, 3_600])
    age_s = rng.choice([0, 12, rng.randrange(1, 86_400), rng.randrange(1, _YEAR_S)])
    posed = case.posed
    if posed.totals.updated_at_s:
        posed = replace(posed, totals=posed.totals._replace(updated_at_s=at_s - age_s))
    if kind == "at the limit":
        posed = replace(posed, price=_price_at_the_limit(posed, at_s) + rng.choice([-1, 0, 0, 1]))
    return MorphoScene(stage, posed, at_s=at_s)


def _price_at_the_limit(posed: Posed, at_s: int) -> int:
    """Return the lowest price at which the position is healthy."""
    totals = accrue(posed.totals, rate_wad=_rate_wad(posed), at_s=at_s)
    low, high = 0, 2**120
    while high - low > 1:
        middle = (low + high) // 2
        health = health_factor_wad(totals, posed.position, price=middle, lltv_wad=posed.lltv_wad)
        low, high = (low, middle) if health >= WAD else (middle, high)
    return high


def _rate_wad(posed: Posed) -> int:
    return (posed.rate_wad or 0) if posed.has_irm else 0


# --- holding one against the other --------------------------------------------------------------------------


@dataclass(frozen=True)
class Here:
    """What our arithmetic says of a case."""

    market: IsolatedMarket | None
    seized_raw: int
    repaid_shares: int
    outcome: Close | str


async def locally(scene: MorphoScene, case: Case, rng: Random) -> Here:
    """Read market and borrower as the keeper does, where there is a market, and compute."""
    posed = scene.posed
    found, position = None, posed.position
    if posed.totals.updated_at_s:
        found, position = await scene.read()
        assert found.totals == posed.totals
        assert position == posed.position
        assert found.price == posed.price
        assert found.rate_wad == (posed.rate_wad if posed.has_irm else 0)
    seized_raw, shares = case.ask(posed.totals, rng)
    outcome: Close | str
    created, one = posed.totals.updated_at_s > 0, (seized_raw == 0) != (shares == 0)
    asks_rate = created and one and posed.has_irm and posed.totals.updated_at_s < scene.at_s
    if asks_rate and posed.rate_wad is None:
        outcome = _NO_RATE
    elif created and one and posed.price is None:
        outcome = _NO_ORACLE
    else:
        outcome = liquidate(
            posed.totals,
            position,
            rate_wad=_rate_wad(posed),
            at_s=scene.at_s,
            price=posed.price or 0,
            lltv_wad=posed.lltv_wad,
            seized_raw=seized_raw,
            repaid_shares=shares,
        )
    return Here(found, seized_raw, shares, outcome)


def reason_of(ran: Ran) -> str:
    """Return what a call reverted with, as `Refusal` spells it."""
    said = explained(ran.returned)
    if said.startswith("panicked"):
        return f"Panic(0x{ran.returned[-1]:x})"
    return said.removeprefix('reverted with "').removesuffix('"')


def check(scene: MorphoScene, here: Here) -> None:
    """Hold all that our arithmetic says against what the contract does."""
    posed, morpho = scene.posed, scene.morpho
    tokens = scene.stage.addresses.tokens
    loan, collateral = tokens[posed.loan], tokens[posed.collateral]
    call = _LIQUIDATE.encode(scene.params, BORROWER, here.seized_raw, here.repaid_shares, b"")
    expected = lens().interface.encode("expected", morpho, scene.params, BORROWER)
    before, ran, totals, position, owed, got = scene.scene.run(
        [
            (LIQUIDATOR, LENS, expected),
            (LIQUIDATOR, morpho, call),
            (LIQUIDATOR, morpho, _MARKET.encode(scene.id)),
            (LIQUIDATOR, morpho, _POSITION.encode(scene.id, BORROWER)),
            (LIQUIDATOR, loan, _BALANCE.encode(LIQUIDATOR)),
            (LIQUIDATOR, collateral, _BALANCE.encode(LIQUIDATOR)),
        ]
    )
    if here.market is not None and here.market.rate_wad is not None:
        _check_accrued(scene, before, here.market.rate_wad)
    if not isinstance(here.outcome, Close):
        assert ran.reverted
        if here.outcome not in (_NO_ORACLE, _NO_RATE):
            assert reason_of(ran) == here.outcome
        return
    assert not ran.reverted, reason_of(ran)
    close = here.outcome
    assert _LIQUIDATE.decode(ran.returned) == (close.seized_raw, close.repaid_raw)
    liquidated = MORPHO.event("Liquidate")
    (event,) = [liquidated.decode(*log) for log in ran.logs if log[0][0] == liquidated.topic]
    assert event["repaidShares"] == close.repaid_shares
    assert event["badDebtAssets"] == close.bad_debt_raw
    assert event["badDebtShares"] == close.bad_debt_shares
    assert Totals(*_MARKET.decode(totals.returned)) == close.totals
    assert _POSITION.decode(position.returned)[1:] == close.position
    assert int.from_bytes(owed.returned) == RICH - close.repaid_raw
    assert int.from_bytes(got.returned) == RICH + close.seized_raw


def _check_accrued(scene: MorphoScene, before: Ran, rate_wad: int) -> None:
    """Hold accrued totals, and what is owed, against what Morpho's own periphery expects."""
    try:
        here = accrue(scene.posed.totals, rate_wad=rate_wad, at_s=scene.at_s)
        owed = owed_raw(here, scene.posed.position)
    except Refused:
        assert before.reverted
        return
    theirs = lens().interface.decode("expected", 3, before.returned)
    assert theirs == (*here[:4], owed)


def opportunity_of(scene: MorphoScene, found: IsolatedMarket) -> Opportunity:
    block = NextBlock(number=1, timestamp_s=scene.at_s, base_fee_wei=0, coinbase=LIQUIDATOR)
    return scene.protocol.opportunity(
        Markets(by_name={scene.name: found}),
        scene.position_id,
        Row(scene.name, scene.posed.position),
        block=block,
        deadline_s=scene.at_s + 24,
    )


def check_terms(scene: MorphoScene, found: IsolatedMarket, rng: Random) -> list[str]:
    """Hold some of the terms' amounts against what their very calls do, now and at the deadline."""
    classes = []
    for terms in opportunity_of(scene, found).terms:
        for interval in terms.feasible:
            least, most = interval.least_raw, interval.most_raw
            for repay_raw in {least, most, rng.randint(least, most)}:
                settled, call = terms.settle(repay_raw), terms.call(repay_raw)
                assert settled.repaid_raw == repay_raw
                late = MorphoScene(scene.stage, scene.posed, at_s=scene.at_s + 24)
                (now,), (then,) = (
                    one.scene.run([(LIQUIDATOR, call.target, call.data)]) for one in (scene, late)
                )
                assert not now.reverted, reason_of(now)
                assert not then.reverted, reason_of(then)
                seized, repaid = _LIQUIDATE.decode(now.returned)
                seized_late, repaid_late = _LIQUIDATE.decode(then.returned)
                assert (repaid, seized) == (settled.repaid_raw, settled.seized_raw)
                assert max(repaid, repaid_late) == settled.repaid_limit_raw
                assert min(seized, seized_late) == settled.seized_least_raw
                classes.append("term")
            if least == most and settled.bad_debt_base:
                classes.append("term that leaves bad debt")
            elif settled.clears_debt:
                classes.append("term that clears the debt")
    return classes


# --- counting -----------------------------------------------------------------------------------------------

_EXPECTED = [
    "part",
    "all debt",
    "all collateral",
    "bad debt",
    "fee",
    "no rate model",
    "at the limit",
    "tiny",
    "free collateral",
    "term",
    "term that clears the debt",
    _NO_ORACLE,
    _NO_RATE,
    *Refusal,
]


def classes(kind: str, scene: MorphoScene, here: Here) -> list[str]:
    """Return the classes that a case turned out to be of."""
    found = [kind] if kind in ("at the limit", "tiny") else []
    if not isinstance(here.outcome, Close):
        return [*found, str(here.outcome)]
    close, posed = here.outcome, scene.posed
    if close.bad_debt_raw:
        found.append("bad debt")
    if close.position.collateral == 0:
        found.append("all collateral")
    elif close.position.borrow_shares == 0:
        found.append("all debt")
    else:
        found.append("part")
    if posed.totals.fee_wad and close.totals.supply_shares > posed.totals.supply_shares:
        found.append("fee")
    if not posed.has_irm:
        found.append("no rate model")
    if close.repaid_raw == 0:
        found.append("free collateral")
    return found


@pytest.mark.timeout(400)
async def test_liquidation__random_positions__contract_and_arithmetic_agree_to_the_wei(
    devnet: Devnet,
) -> None:
    stage = Stage(devnet)
    counts: Counter[str] = Counter()
    started_s = time.monotonic()
    for number in range(_CASES):
        kind = _KINDS[number % len(_KINDS)]
        rng = Random(f"{kind} {number}")
        case = draw(kind, rng)
        scene = pose(stage, kind, case, rng)
        here = await locally(scene, case, rng)
        try:
            check(scene, here)
            if kind == "one of the terms" and here.market is not None:
                counts.update(check_terms(scene, here.market, rng))
        except AssertionError as error:
            error.add_note(f"case {number}, drawn as {kind!r}: {scene.posed} asking {here}")
            raise
        counts.update(classes(kind, scene, here))
    print(f"\n{_CASES} cases in {time.monotonic() - started_s:.1f} s: {dict(counts.most_common())}")
    assert {name: counts[name] for name in _EXPECTED if counts[name] < _LEAST_OF_EACH} == {}
