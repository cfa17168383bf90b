"""What is carried: booked at the lower price, within the owner's cap and the vault's money, or why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

from keeper.domain.address import Address
from keeper.domain.carriage import Carriage
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Pool
from keeper.domain.fixed_point import BPS, WAD
from keeper.domain.plan import Objective
from keeper.domain.position import Health, Opportunity, Receipt
from keeper.domain.token import Token
from keeper.domain.token_rules import TokenClass, TokenRules
from keeper.planner.carrying import Carrying, Porter
from keeper.planner.options import PlannerOptions
from keeper.planner.ways import Ways
from keeper.venues.uniswap_v2 import V2Pool
from tests.unit.planner.linear_terms import LinearTerms
from tests.unit.planner.trades import PRICES, TOKENS, WETH

LINK, USDC = TOKENS["LINK"], TOKENS["USDC"]
CLAIM = Token(address=Address(b"\xaa" * 20), symbol="aLINK", decimals=18)
ENOUGH = 10**40


def pool(sold: Token, bought: Token, *, usd: float, off: float = 1) -> V2Pool:
    """Return a pool of so many dollars a side, in which what is sold is worth `off` times its price."""
    raw = {
        sold.address: int(usd / PRICES[sold.symbol] / off * sold.unit_raw),
        bought.address: int(usd / PRICES[bought.symbol] * bought.unit_raw),
    }
    token0, token1 = sorted(raw)
    return V2Pool(
        address=Address(sold.address[:10] + bought.address[:10]),
        venue="uniswap-v2",
        token0=token0,
        token1=token1,
        reserve0_raw=raw[token0],
        reserve1_raw=raw[token1],
        fee_ppm=3_000,
    )


def terms(*, debt: Token = WETH, usd: int = 100_000, **changes: object) -> LinearTerms:
    """Return a close of LINK, of so many dollars."""
    made = LinearTerms(
        collateral=LINK,
        debt=debt,
        collateral_price_base=PRICES["LINK"] * 10**8,
        debt_price_base=PRICES[debt.symbol] * 10**8,
        balance_raw=usd * 12 // 10 // PRICES["LINK"] * LINK.unit_raw,
        owed_raw=usd * debt.unit_raw // PRICES[debt.symbol],
        bonus_bps=10_500,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def best(
    one: LinearTerms,
    *pools: V2Pool,
    left_raw: int = ENOUGH,
    stock_raw: int = ENOUGH,
    least_wad: int = 1,
    by_oracle: bool = False,
    receipt: bool = False,
    carriages: bool = True,
    **options: object,
) -> Carrying | Declined | None:
    """Return what is made of a borrower whose collateral may be carried, itself or as a claim on it."""
    kept = CLAIM if receipt else one.collateral
    told: dict[str, object] = {
        "tokens": TokenRules(named=frozenset({(kept.address, TokenClass.CARRY)})),
        "intermediates": (WETH.address,),
    }
    found: Mapping[Address, Pool] = {each.address: each for each in pools}
    allowed = Carriage(
        spent=one.debt.address,
        carried=kept.address,
        left_raw=left_raw,
        stock_raw=stock_raw,
        least_wad=least_wad,
        by_oracle=by_oracle,
    )
    return Porter(
        carriages=(allowed,) if carriages else (),
        pools=found,
        ways=Ways(found, intermediates=(WETH.address,)),
        wrapped_native=WETH.address,
        options=PlannerOptions(**{**told, **options}),  # type: ignore[arg-type]
    ).best(
        Opportunity(
            market="a market",
            borrower=Address(b"\x01" * 20),
            health=Health(health_factor_wad=10**17, collateral_base=1, debt_base=2),
            terms=() if receipt else (one,),
            declined=(),
            receipts=(Receipt(terms=replace(one, collateral=CLAIM), redeems_to=LINK),) if receipt else (),
        )
    )


def reason_of(found: Carrying | Declined | None) -> Reason:
    assert isinstance(found, Declined), found
    return found.reason


def oracle_wei(found: Carrying) -> Fraction:
    """Return what the oracle says that what is kept is worth, of what is paid."""
    settlement = found.size.settlement
    return settlement.seized_raw * found.terms.oracle_price * found.size.paid_wei / settlement.repaid_raw


def test_best__pools_pay_more_than_the_oracle__booked_at_the_oracle() -> None:
    found = best(terms(), pool(LINK, WETH, usd=1e9, off=1.2))
    assert isinstance(found, Carrying)
    assert found.size.booked_wei == int(oracle_wei(found))
    assert found.size.repay_raw == found.terms.feasible[-1].most_raw
    assert found.size.paid_wei == found.size.settlement.repaid_raw


def test_best__pools_pay_less__booked_at_what_they_pay() -> None:
    link = pool(LINK, WETH, usd=1e8, off=0.99)
    found = best(terms(), link)
    assert isinstance(found, Carrying)
    sold = link.sell(LINK.address, found.size.settlement.seized_raw)
    assert found.size.booked_wei == sold.amount_out_raw < oracle_wei(found)


def test_best__pools_too_shallow_for_all__no_more_than_pays() -> None:
    whole, shallow = terms(), pool(LINK, WETH, usd=1e6)
    found = best(whole, shallow)
    assert isinstance(found, Carrying)
    assert 0 < found.size.repay_raw < whole.feasible[-1].most_raw // 2
    for more in (-found.size.repay_raw // 20, found.size.repay_raw // 20):
        settled = whole.settle(found.size.repay_raw + more)
        sold = shallow.sell(LINK.address, settled.seized_raw)
        assert sold.amount_out_raw - settled.repaid_raw <= found.size.gain_wei


def test_best__debt_that_is_not_native__costs_what_pools_take_for_it() -> None:
    usdc = pool(USDC, WETH, usd=1e8)
    found = best(terms(debt=USDC), pool(LINK, WETH, usd=1e8), usdc)
    assert isinstance(found, Carrying)
    assert found.size.paid_wei == usdc.buy(USDC.address, found.size.settlement.repaid_raw).amount_in_raw


def test_best__debt_that_pools_do_not_have__declined() -> None:
    assert reason_of(best(terms(debt=USDC), pool(LINK, WETH, usd=1e8))) is Reason.NO_ROUTE


@pytest.mark.parametrize("haircut_bps", [0, 300, 450])
def test_best__nobody_buys_it__booked_at_the_oracle_less_the_haircut(haircut_bps: int) -> None:
    found = best(terms(), carry_haircut_bps=haircut_bps)
    assert isinstance(found, Carrying)
    assert found.size.booked_wei == int(oracle_wei(found)) - -(-int(oracle_wei(found)) * haircut_bps // BPS)


def test_best__nobody_buys_it_and_no_haircut__declined() -> None:
    assert reason_of(best(terms())) is Reason.CANT_BE_SOLD


def test_best__claim__is_valued_as_what_it_is_redeemed_for() -> None:
    link = pool(LINK, WETH, usd=1e8, off=0.99)
    claim, itself = best(terms(), link, receipt=True), best(terms(), link)
    assert isinstance(claim, Carrying) and isinstance(itself, Carrying)
    assert (claim.size.repay_raw, claim.size.booked_wei) == (itself.size.repay_raw, itself.size.booked_wei)
    assert claim.by(Address(b"\x02" * 20)).received.token == CLAIM


def test_best__no_token_of_it_is_named__nothing() -> None:
    assert best(terms(), pool(LINK, WETH, usd=1e8), tokens=TokenRules()) is None


def test_best__owner_allows_none__declined() -> None:
    assert reason_of(best(terms(), carriages=False)) is Reason.NOT_CARRIED


@pytest.mark.parametrize("short", ["left_raw", "stock_raw"])
def test_best__no_money__declined(short: str) -> None:
    assert reason_of(best(terms(), pool(LINK, WETH, usd=1e8), **{short: 0})) is Reason.NO_STOCK  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ratio", "reason"), [(WAD, None), (104 * WAD // 100, None), (106 * WAD // 100, Reason.NOT_CARRIED)]
)
@pytest.mark.parametrize("by_oracle", [True, False])
def test_best__owner_asks_for_more_than_comes__declined(
    ratio: int, reason: Reason | None, by_oracle: bool
) -> None:
    """LINK at 15 dollars for USDC: a wad of the ratio is 10^12 units of LINK for each of USDC, by value."""
    per_unit = ratio * 10**12
    least_wad = per_unit if by_oracle else per_unit // PRICES["LINK"]
    pools = (pool(LINK, WETH, usd=1e9), pool(USDC, WETH, usd=1e9))
    one = terms(debt=USDC, protocol_fee_bps=0)
    found = best(one, *pools, least_wad=least_wad, by_oracle=by_oracle)
    assert isinstance(found, Carrying) if reason is None else reason_of(found) is reason


def test_best__debt_that_is_never_touched__declined() -> None:
    rules = TokenRules(named=frozenset({(LINK.address, TokenClass.CARRY), (USDC.address, TokenClass.NEVER)}))
    assert reason_of(best(terms(debt=USDC), tokens=rules)) is Reason.DENIED


def test_best__restore_health__the_smallest_that_does() -> None:
    one = terms(usd=100_000, balance_raw=7_800 * LINK.unit_raw)
    asked = one.repay_for_health(PlannerOptions().target_health_factor_wad)
    found = best(one, pool(LINK, WETH, usd=1e9), objective=Objective.RESTORE_HEALTH)
    if asked is None:
        assert reason_of(found) is Reason.OUT_OF_REACH
    else:
        assert isinstance(found, Carrying) and found.size.repay_raw == asked


def test_best__random_caps_and_pools__within_the_money_and_no_sample_gains_more() -> None:
    counts = Counter[str]()
    for seed in range(40):
        draw = Random(seed)
        one = terms(
            debt=draw.choice([WETH, USDC]),
            usd=int(10 ** draw.uniform(3.5, 6.5)),
            accrues_raw=draw.choice([0, 1, 10**6]),
            bonus_bps=draw.choice([10_400, 10_800]),
        )
        pools = (
            pool(LINK, WETH, usd=10 ** draw.uniform(4, 9), off=draw.uniform(0.9, 1.1)),
            pool(USDC, WETH, usd=1e9),
        )
        most_raw = int(one.most_raw * draw.uniform(0.1, 1.2))
        left_raw, stock_raw = (most_raw, ENOUGH) if draw.random() < 0.5 else (ENOUGH, most_raw)
        found = best(one, *pools, left_raw=left_raw, stock_raw=stock_raw)
        if not isinstance(found, Carrying):
            counts["declined"] += 1
            continue
        assert found.size.settlement.repaid_limit_raw <= most_raw
        counts["cut by the money"] += found.size.settlement.repaid_limit_raw >= most_raw - 1
        counts["at an end"] += any(found.size.repay_raw == end.most_raw for end in one.feasible)
        counts["in between"] += all(
            found.size.repay_raw not in (end.most_raw, min(end.most_raw, most_raw)) for end in one.feasible
        )
        for _ in range(4):
            capped_raw = draw.randint(1, most_raw)
            other = best(one, *pools, left_raw=capped_raw)
            if isinstance(other, Carrying):
                assert other.size.gain_wei <= found.size.gain_wei + abs(found.size.gain_wei) // 10_000 + 1
    assert counts["cut by the money"] >= 5 and counts["at an end"] >= 3 and counts["in between"] >= 5, counts
