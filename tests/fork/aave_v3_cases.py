"""Random positions, prices and calls, on which our arithmetic and the real contracts are to agree to the wei.

Nothing is aimed at by the contract's answer: a case is drawn so as to lead to a class of outcome, and counted
by the outcome that it had.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import ModuleType

from keeper.abi import load
from keeper.domain.address import Address
from keeper.domain.fixed_point import BPS, RAY
from keeper.domain.position import PositionId
from keeper.protocols.aave_v3 import AaveV3
from keeper.protocols.aave_v3.revision import MAX_UINT, Account, Close, Pair, Refusal
from keeper.protocols.aave_v3.state import Market
from keeper.protocols.aave_v3.terms import AaveTerms
from keeper.query import run
from tests.fork.aave_v3_stage import AT, BORROWER, LIQUIDATOR, RICH, Ran, Scene, Stage

_POOL = load("aave_v3_pool")
_ACCOUNT = _POOL.function("getUserAccountData")
_CALL = _POOL.function("liquidationCall")
_SCALED = load("aave_v3_scaled_token").function("scaledBalanceOf")
_BALANCE = load("erc20").function("balanceOf")
_PANIC = bytes.fromhex("4e487b71")

CASES = 1_200
LEAST_OF_EACH = 40
_DOLLAR = 10**8
_YEAR_S = 365 * 86_400


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Which arithmetic is held against which contracts."""

    revision: ModuleType
    seized_scaled: Callable[[int, int, int], int]
    """How what is seized turns into scaled balance."""
    reason_of: Callable[[Ran], str]
    """What a call reverted with, as a `Refusal` calls it."""


# --- drawing a case -----------------------------------------------------------------------------------------


@dataclass
class Case:
    """A position, a call, and what the class it is drawn for wants of either."""

    rng: Random
    symbols: list[str]
    collateral: str = ""
    debt: str = ""
    e_mode: int = 0
    debt_dollars: float = 0
    health: float = 0
    others: tuple[str, ...] = ()
    """Further collaterals."""
    other_debts: tuple[str, ...] = ()
    receive_a_token: bool = False
    by_borrower: bool = False
    unused: bool = False
    """The collateral called for is not used as one."""
    unborrowed: bool = False
    """The debt called for is not owed."""
    cover: str = "any"
    change: Callable[[Scene, Case], None] = field(default=lambda scene, case: None)
    """What is changed once the position stands."""


Kind = Callable[[Case], None]
"""Turns a case towards one class of outcome."""


def draw(kind: Kind, rng: Random, symbols: list[str]) -> Case:
    """Return a case that may well end as `kind` has it."""
    case = Case(rng=rng, symbols=symbols)
    case.collateral, case.debt, *rest = rng.sample(symbols, len(symbols))
    case.debt_dollars = 10 ** rng.uniform(1.7, 6.7)
    case.health = rng.uniform(0.5, 0.999)
    case.others = tuple(rest[: rng.choice([0, 0, 1, 2])])
    case.other_debts = tuple(rest[2 : 2 + rng.choice([0, 0, 1])])
    if rng.random() < 0.05:
        case.debt = case.collateral
    if rng.random() < 0.15:
        case.receive_a_token = True
    kind(case)
    return case


def half(case: Case) -> None:
    case.health = case.rng.uniform(0.951, 0.9999)
    case.debt_dollars = 10 ** case.rng.uniform(4, 6.7)
    case.other_debts = ()
    case.cover = "limit"


def full(case: Case) -> None:
    case.health = case.rng.uniform(0.93, 0.95) if case.rng.random() < 0.5 else case.rng.uniform(0.95, 0.999)
    if case.health > 0.95:
        case.debt_dollars = case.rng.uniform(50, 1_990)
    case.others = ()
    case.cover = "all"


def capped(case: Case) -> None:
    case.health = case.rng.uniform(0.3, 0.9)
    case.debt_dollars = 10 ** case.rng.uniform(2, 6)
    case.others = tuple(s for s in case.symbols if s not in (case.collateral, case.debt))[:2]
    case.cover = "all"


def deficit(case: Case) -> None:
    case.health = case.rng.uniform(0.2, 0.7)
    case.others = ()
    case.cover = "all"


def dust_debt(case: Case) -> None:
    case.health = case.rng.uniform(0.93, 0.95)
    case.debt_dollars = case.rng.uniform(2_500, 60_000)
    case.others = case.other_debts = ()
    case.cover = "leaves little debt"


def dust_collateral(case: Case) -> None:
    case.health = case.rng.uniform(0.7, 0.9)
    case.debt_dollars = case.rng.uniform(2_500, 60_000)
    case.others = case.other_debts = ()
    case.cover = "leaves little collateral"


def e_mode(case: Case) -> None:
    case.e_mode = 1
    case.collateral = case.rng.choice(["WETH", "wstETH"])
    case.debt = case.rng.choice([s for s in case.symbols if s != case.collateral])
    case.others = case.other_debts = ()
    case.health = case.rng.uniform(0.93, 0.9999)


def two_debts(case: Case) -> None:
    rest = [s for s in case.symbols if s not in (case.collateral, case.debt)]
    case.other_debts = tuple(rest[: case.rng.choice([1, 2])])
    case.health = case.rng.uniform(0.9, 0.9999)


def edge(case: Case) -> None:
    case.cover = "an edge"
    case.receive_a_token = False


def by_borrower(case: Case) -> None:
    case.by_borrower = True


def inactive(case: Case) -> None:
    def change(scene: Scene, case: Case) -> None:
        scene.configure(case.rng.choice([case.collateral, case.debt]), 0, bits=1, at_bit=56)

    case.change = change


def paused(case: Case) -> None:
    def change(scene: Scene, case: Case) -> None:
        scene.configure(case.rng.choice([case.collateral, case.debt]), 1, bits=1, at_bit=60)

    case.change = change


def sentinel(case: Case) -> None:
    case.health = case.rng.uniform(0.9501, 1.01)
    case.change = lambda scene, _: scene.answer_always(scene.stage.addresses.sentinel, 0)


def grace(case: Case) -> None:
    def change(scene: Scene, case: Case) -> None:
        scene.grace(case.rng.choice([case.collateral, case.debt]), scene.at_s + case.rng.choice([0, 0, 1, 9]))

    case.change = change


def healthy(case: Case) -> None:
    case.health = case.rng.uniform(1.00001, 1.2)


def not_collateral(case: Case) -> None:
    case.unused = True
    case.others = tuple(s for s in case.symbols if s not in (case.collateral, case.debt))[:1]


def not_borrowed(case: Case) -> None:
    case.unborrowed = True
    case.other_debts = tuple(s for s in case.symbols if s not in (case.collateral, case.debt))[:1]


def nothing_burned(case: Case) -> None:
    case.debt_dollars = 10 ** case.rng.uniform(4, 6)
    case.collateral, case.debt = case.rng.choice(
        [("WBTC", "USDC"), ("WBTC", "WETH"), ("USDC", "WETH"), ("WETH", "WBTC"), ("USDT", "wstETH")]
    )
    case.others = case.other_debts = ()
    case.receive_a_token = False
    case.health = case.rng.uniform(0.9, 0.999)
    case.cover = "next to nothing"


def no_cash(case: Case) -> None:
    case.receive_a_token = False
    case.cover = "all"
    case.debt_dollars = 10 ** case.rng.uniform(3, 6)
    case.change = lambda scene, case: scene.cash(case.collateral, case.rng.randrange(10**5))


def no_price(case: Case) -> None:
    case.change = lambda scene, case: scene.price(case.rng.choice([case.collateral, case.debt]), 0)


def zero_price(case: Case) -> None:
    def change(scene: Scene, case: Case) -> None:
        scene.price(case.collateral, 0)
        scene.fallback_oracle(0)

    case.change = change


def anything(case: Case) -> None:
    pass


def pose(subject: Subject, stage: Stage, market: Market, case: Case) -> Scene:
    """Return the scene of a case: its prices, its configuration, and a position of about its health."""
    rng = case.rng
    scene = stage.scene(at_s=stage.now_s + rng.choice([1, 12, 3_600, rng.randrange(1, _YEAR_S)]))
    by_symbol = {reserve.token.symbol: reserve for reserve in market.reserves.values()}
    prices: dict[str, int] = {}
    thresholds: dict[str, int] = {}
    for symbol, reserve in by_symbol.items():
        prices[symbol] = int(reserve.price_base * rng.uniform(0.3, 2)) + rng.randrange(1_000)
        scene.price(symbol, prices[symbol])
        thresholds[symbol] = reserve.configuration.liquidation_threshold_bps
        if rng.random() < 0.5:
            bonus_bps = rng.randrange(10_050, 11_500)
            thresholds[symbol] = rng.randrange(4_000, 10**8 // bonus_bps)
            scene.configure(symbol, thresholds[symbol], bits=16, at_bit=16)
            scene.configure(symbol, bonus_bps, bits=16, at_bit=32)
            scene.configure(symbol, rng.choice([0, 1_000, rng.randrange(5_000)]), bits=16, at_bit=152)
    if case.e_mode:
        e_mode = market.e_modes[case.e_mode]
        for symbol, reserve in by_symbol.items():
            if e_mode.covers(reserve.id):
                thresholds[symbol] = e_mode.liquidation_threshold_bps

    def scaled(symbol: str, dollars: float, index_ray: int) -> int:
        raw = int(dollars * _DOLLAR) * by_symbol[symbol].unit_raw // prices[symbol]
        return max(raw * RAY // index_ray + rng.randrange(3), 1)

    owed = {symbol: rng.uniform(0.02, 0.9) for symbol in case.other_debts}
    if not case.unborrowed:
        owed[case.debt] = rng.uniform(0.2, 1)
    held = {symbol: rng.uniform(0.02, 0.9) for symbol in case.others}
    held[case.collateral] = rng.uniform(0.2, 1)
    counted = {
        symbol: part for symbol, part in held.items() if not (case.unused and symbol == case.collateral)
    }
    all_owed, all_held = sum(owed.values()), sum(counted.values())
    threshold = sum(part * thresholds[symbol] for symbol, part in counted.items()) / all_held / BPS
    held_dollars = case.debt_dollars * case.health / threshold
    indices = {
        symbol: subject.revision.accrue(reserve, at_s=scene.at_s) for symbol, reserve in by_symbol.items()
    }
    scene.pose(
        has={
            symbol: scaled(symbol, held_dollars * part / all_held, indices[symbol].liquidity_ray)
            for symbol, part in held.items()
        },
        owes={
            symbol: scaled(symbol, case.debt_dollars * part / all_owed, indices[symbol].debt_ray)
            for symbol, part in owed.items()
        },
        ids={symbol: reserve.id for symbol, reserve in by_symbol.items()},
        e_mode=case.e_mode,
        unused=[case.collateral] if case.unused else [],
    )
    case.change(scene, case)
    return scene


def cover_of(subject: Subject, case: Case, pair: Pair | None) -> int:
    """Return the debtToCover that the case is about."""
    rng = case.rng
    if pair is None:
        return rng.choice([MAX_UINT, rng.randrange(10**9)])
    owed, limit = pair.debt.raw, pair.limit_raw
    thousand_raw = 1_000 * _DOLLAR * pair.debt.reserve.unit_raw // max(pair.debt.reserve.price_base, 1)
    match case.cover:
        case "all":
            return rng.choice([MAX_UINT, owed, owed + 1])
        case "limit":
            return rng.choice([MAX_UINT, limit, limit - 1, limit + 1])
        case "leaves little debt":
            return owed - rng.randrange(1, max(thousand_raw, 2))
        case "leaves little collateral":
            worth = min(
                owed, pair.collateral.base * owed * BPS // (pair.debt.base * pair.collateral.bonus_bps)
            )
            return max(worth - rng.randrange(1, max(thousand_raw, 2)), 1)
        case "next to nothing":
            return rng.choice([0, 0, 1, 2, 5])
        case "an edge":
            found = subject.revision.feasible(pair)
            stretches = () if isinstance(found, Refusal) else found
            edges = [limit, owed, *(edge for one in stretches for edge in (one.least_raw, one.most_raw))]
            return max(rng.choice(edges) + rng.choice([-1, 0, 0, 1]), 0)
        case _:
            return rng.randrange(1, 2 * owed)


# --- holding one against the other --------------------------------------------------------------------------


@dataclass(frozen=True)
class Here:
    """What our arithmetic says of a case."""

    account: Account
    pair: Pair | None
    cover: int
    outcome: Close | Refusal


async def locally(subject: Subject, scene: Scene, protocol: AaveV3, opened: Market, case: Case) -> Here:
    """Read market and borrower as the keeper does, and compute."""
    market = await run(protocol.refresh(opened, configuration=False), AT, scene)
    (row,) = await run(protocol.rows(market, [PositionId(protocol.name, BORROWER)]), AT, scene)
    by_symbol = {reserve.token.symbol: reserve for reserve in market.reserves.values()}
    collateral, debt = by_symbol[case.collateral], by_symbol[case.debt]
    account = subject.revision.account(market, row, at_s=scene.at_s)
    who = {"by_borrower": True} if case.by_borrower else {}
    refused = subject.revision.refusal(market, account, collateral=collateral, debt=debt, **who)
    if refused is not None:
        return Here(account, None, cover_of(subject, case, None), refused)
    pair = subject.revision.pair(account, collateral=collateral, debt=debt)
    cover = cover_of(subject, case, pair)
    outcome = subject.revision.close(pair, debt_to_cover=cover, receive_a_token=case.receive_a_token)
    return Here(account, pair, cover, outcome)


def on_chain(scene: Scene, case: Case, here: Here) -> tuple[Ran, Ran, Mapping[tuple[str, Address], int], Ran]:
    """Return the account before, the liquidation, then every balance, and the account after."""
    addresses = scene.stage.addresses
    symbols = [case.collateral, case.debt, *case.others, *case.other_debts]
    asked = {("collateral", addresses.a_tokens[s]): _SCALED.encode(BORROWER) for s in symbols}
    asked |= {("debt", addresses.debt_tokens[s]): _SCALED.encode(BORROWER) for s in symbols}
    asked |= {("treasury", addresses.a_tokens[s]): _SCALED.encode(addresses.treasury) for s in symbols}
    asked |= {("wallet", addresses.tokens[s]): _BALANCE.encode(LIQUIDATOR) for s in symbols}
    liquidator = BORROWER if case.by_borrower else LIQUIDATOR
    call = _CALL.encode(
        addresses.tokens[case.collateral],
        addresses.tokens[case.debt],
        BORROWER,
        here.cover,
        case.receive_a_token,
    )
    before, treasury, liquidation, *balances, after = scene.run(
        [
            (LIQUIDATOR, addresses.pool, _ACCOUNT.encode(BORROWER)),
            (
                LIQUIDATOR,
                addresses.a_tokens[case.collateral],
                _SCALED.encode(addresses.treasury),
            ),
            (liquidator, addresses.pool, call),
            *((LIQUIDATOR, token, data) for (_, token), data in asked.items()),
            (LIQUIDATOR, addresses.pool, _ACCOUNT.encode(BORROWER)),
        ]
    )
    found = {key: int.from_bytes(ran.returned) for key, ran in zip(asked, balances, strict=True)}
    found["treasury before", addresses.a_tokens[case.collateral]] = int.from_bytes(treasury.returned)
    return before, liquidation, found, after


def panic_of(ran: Ran) -> str | None:
    """Return the compiler's panic that a call reverted with, None where it is none."""
    return f"Panic(0x{ran.returned[-1]:x})" if ran.returned[:4] == _PANIC else None


def check(subject: Subject, scene: Scene, case: Case, here: Here) -> None:
    """Hold all that our arithmetic says against what the contracts do."""
    before, liquidation, found, after = on_chain(scene, case, here)
    if here.outcome is Refusal.NO_PRICE:
        assert before.reverted
    else:
        assert subject.revision.account_data(here.account) == _ACCOUNT.decode(before.returned)
    if isinstance(here.outcome, Refusal):
        assert liquidation.reverted
        assert subject.reason_of(liquidation) == here.outcome
        return
    assert not liquidation.reverted, subject.reason_of(liquidation)
    close, pair = here.outcome, here.pair
    assert pair is not None
    addresses = scene.stage.addresses
    held, owed, wallet = (
        addresses.a_tokens[case.collateral],
        addresses.debt_tokens[case.debt],
        addresses.tokens,
    )
    _check_events(liquidation, close)
    assert found["collateral", held] == close.collateral_scaled_after
    assert found["debt", owed] == close.debt_scaled_after
    got = 0 if case.receive_a_token else close.seized_raw
    if case.collateral == case.debt:
        assert found["wallet", wallet[case.debt]] == RICH + got - close.repaid_raw
    else:
        assert found["wallet", wallet[case.debt]] == RICH - close.repaid_raw
        assert found["wallet", wallet[case.collateral]] == RICH + got
    seized_scaled = subject.seized_scaled(close.seized_raw, RAY, pair.collateral.index_ray)
    fee_scaled = pair.collateral.scaled - close.collateral_scaled_after - seized_scaled
    assert found["treasury", held] - found["treasury before", held] == fee_scaled
    written_off = {deficit.reserve.debt_token for deficit in close.deficits}
    for debt in here.account.debts:
        if debt is not pair.debt:
            left = 0 if debt.reserve.debt_token in written_off else debt.scaled
            assert found["debt", debt.reserve.debt_token] == left
    left_over = subject.revision.remainder(pair, close)
    collateral_base, debt_base, _, _, _, health_wad = _ACCOUNT.decode(after.returned)
    assert left_over.collateral_base == collateral_base
    assert left_over.debt_base == debt_base
    assert left_over.health_factor_wad == health_wad
    if not case.receive_a_token:
        _check_terms(subject, addresses.pool, pair, close)


def _check_events(liquidation: Ran, close: Close) -> None:
    liquidated, created = _POOL.event("LiquidationCall"), _POOL.event("DeficitCreated")
    (event,) = [liquidated.decode(*log) for log in liquidation.logs if log[0][0] == liquidated.topic]
    assert event["debtToCover"] == close.repaid_raw
    assert event["liquidatedCollateralAmount"] == close.seized_raw
    deficits = [created.decode(*log) for log in liquidation.logs if log[0][0] == created.topic]
    assert {one["debtAsset"]: one["amountCreated"] for one in deficits} == {
        deficit.reserve.token.address: deficit.raw for deficit in close.deficits
    }


def _check_terms(subject: Subject, pool: Address, pair: Pair, close: Close) -> None:
    """What went through is among the terms, and they settle it so, or take more for as much.

    An amount can be both what part of the collateral costs and, rounded, what all of it does by the cap.
    """
    if close.repaid_raw == 0:
        return
    stretches = subject.revision.feasible(pair)
    assert not isinstance(stretches, Refusal)
    among = [one for one in stretches if one.least_raw <= close.repaid_raw <= one.most_raw]
    assert among
    terms = AaveTerms(
        revision=subject.revision,
        pool=pool,
        borrower=BORROWER,
        pair=pair,
        late=pair,
        stretches=stretches,
    )
    settled = terms.settle(close.repaid_raw)
    if len(among) == 1:
        assert settled.seized_raw == close.seized_raw
    else:
        assert settled.seized_raw >= close.seized_raw
    assert settled.bad_debt_base == sum(deficit.base for deficit in close.deficits)


# --- counting -----------------------------------------------------------------------------------------------


def classes(subject: Subject, case: Case, here: Here) -> list[str]:
    """Return the classes that a case turned out to be of."""
    if isinstance(here.outcome, Refusal):
        found: list[str] = [here.outcome]
        if here.outcome is Refusal.DUST and here.pair is not None:
            found += _short_sides(here.pair, here.cover)
        return found
    close, pair = here.outcome, here.pair
    assert pair is not None
    found = []
    asked = min(here.cover, pair.limit_raw)
    if close.deficits:
        found.append("deficit")
    elif close.repaid_raw < asked:
        found.append("collateral-capped")
    elif close.repaid_raw == pair.debt.raw:
        found.append("full close")
    elif close.repaid_raw == pair.limit_raw:
        found.append("half close")
    else:
        found.append("part")
    left = subject.revision.remainder(pair, close)
    if left.collateral_base == 0 and left.debt_base > 0:
        found.append("bad debt left")
    if case.collateral == case.debt:
        found.append("one token")
    if case.e_mode:
        found.append("e-mode")
    if len(here.account.debts) > 1:
        found.append("two debts")
    if case.receive_a_token:
        found.append("receives aTokens")
    gross = close.seized_raw + close.protocol_fee_raw
    share_bps = pair.collateral.reserve.configuration.protocol_fee_bps
    bonus = gross - (gross * BPS + pair.collateral.bonus_bps // 2) // pair.collateral.bonus_bps
    if bonus * share_bps % BPS >= BPS // 2:
        found.append("fee rounded up")
    return found


def _short_sides(pair: Pair, cover: int) -> list[str]:
    """Return which sides would be left with less than $1000, worked out in plain fractions of a dollar."""
    debt, collateral = pair.debt, pair.collateral
    repaid_base = min(cover, pair.limit_raw) * debt.reserve.price_base / debt.reserve.unit_raw
    short = []
    if debt.base - repaid_base < 1_000 * _DOLLAR:
        short.append("dust of debt")
    if collateral.base - repaid_base * collateral.bonus_bps / BPS < 1_000 * _DOLLAR:
        short.append("dust of collateral")
    return short


async def hold(
    subject: Subject, stage: Stage, kinds: Mapping[str, Kind], *, cases: int = CASES
) -> Counter[str]:
    """Draw so many cases, of each kind in turn, check them all, and return how many were of each class."""
    protocol = AaveV3(pool=stage.addresses.pool)
    opened = await run(protocol.open(), AT, stage.scene(at_s=stage.now_s + 1))
    symbols = sorted(stage.addresses.tokens)
    counts: Counter[str] = Counter()
    started_s = time.monotonic()
    for number in range(cases):
        name = list(kinds)[number % len(kinds)]
        case = draw(kinds[name], Random(f"{name} {number}"), symbols)
        scene = pose(subject, stage, opened, case)
        here = await locally(subject, scene, protocol, opened, case)
        try:
            check(subject, scene, case, here)
        except AssertionError as error:
            error.add_note(f"case {number}, drawn as {name!r}: {case} covering {here.cover}")
            raise
        counts.update(classes(subject, case, here))
    print(f"\n{cases} cases in {time.monotonic() - started_s:.1f} s: {dict(counts.most_common())}")
    return counts
