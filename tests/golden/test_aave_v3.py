"""Each revision's arithmetic against what its real contracts answered, reverts and their reasons included."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from keeper.domain.address import ZERO_ADDRESS, Address
from keeper.domain.fixed_point import RAY, mul_div_half_up, mul_div_up
from keeper.domain.token import Token
from keeper.protocols.aave_v3 import revision_1, revision_7, revision_8, revision_10, revision_11
from keeper.protocols.aave_v3.healths import healths
from keeper.protocols.aave_v3.revision import Account, Close, Pair, Refusal
from keeper.protocols.aave_v3.state import Configuration, EMode, Market, Reserve, Row, Scaled

Case = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A file of answers, and what it is to be held against."""

    revision: ModuleType
    cases: int
    scaled: Callable[[int, int, int], int] = mul_div_up
    """How what is seized turns into scaled balance."""
    fee_slack_raw: int = 0
    """From 3.5 on the event's fee is worked out again from scaled balances: one unit off what is taken."""


_FILES: Mapping[str, Recorded] = {
    "aave_v3_0_core-v3-1.19.3": Recorded(revision=revision_1, cases=290, scaled=mul_div_half_up),
    "aave_v3_0_edges": Recorded(revision=revision_1, cases=167, scaled=mul_div_half_up),
    "aave_v3_3_rev7": Recorded(revision=revision_7, cases=406, scaled=mul_div_half_up),
    "aave_v3_3_rev7_edges": Recorded(revision=revision_7, cases=167, scaled=mul_div_half_up),
    "aave_v3_4_rev8": Recorded(revision=revision_8, cases=400, scaled=mul_div_half_up),
    "aave_v3_4_rev8_edges": Recorded(revision=revision_8, cases=167, scaled=mul_div_half_up),
    "aave_v3_5_rev9": Recorded(revision=revision_10, cases=420, fee_slack_raw=1),
    "aave_v3_5_rev9_edges": Recorded(revision=revision_10, cases=167, fee_slack_raw=1),
    "aave_v3_6_rev10": Recorded(revision=revision_10, cases=403, fee_slack_raw=1),
    "aave_v3_6_rev10_edges": Recorded(revision=revision_10, cases=167, fee_slack_raw=1),
    "aave_v3_7_rev11": Recorded(revision=revision_11, cases=410, fee_slack_raw=1),
    "aave_v3_7_rev11_edges": Recorded(revision=revision_11, cases=151, fee_slack_raw=1),
}

_CODES: Mapping[str, Refusal] = {
    "25": Refusal.NOTHING_BURNED,
    "29": Refusal.RESERVE_PAUSED,
    "45": Refusal.HEALTHY,
    "46": Refusal.NOT_COLLATERAL,
    "47": Refusal.NOT_BORROWED,
    "59": Refusal.SENTINEL,
    "97": Refusal.GRACE,
    "103": Refusal.DUST,
}
"""What pools before 3.4 revert with, a number as a string."""


@cache
def recorded(name: str) -> tuple[Case, ...]:
    path = Path(__file__).parent / f"{name}.json.gz"
    return tuple(json.loads(gzip.decompress(path.read_bytes()))["cases"])


@contextmanager
def about(name: str, case: Case) -> Iterator[None]:
    """Have an assertion that fails say which case it failed on."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"{name}, case {case['id']}: {', '.join(case['classes'])}")
        raise


def reserve_of(case: Case) -> Reserve:
    address = Address(case["id"].to_bytes(20, "big"))
    return Reserve(
        id=case["id"],
        token=Token(address=address, symbol=case["symbol"], decimals=case["decimals"]),
        a_token=ZERO_ADDRESS,
        debt_token=ZERO_ADDRESS,
        configuration=Configuration.unpack(int(case["configuration"])),
        liquidity_index_ray=int(case["liquidityIndex"]),
        liquidity_rate_ray=int(case["liquidityRate"]),
        debt_index_ray=int(case["variableBorrowIndex"]),
        debt_rate_ray=int(case["variableBorrowRate"]),
        updated_at_s=case["lastUpdateTimestamp"],
        grace_until_s=case.get("gracePeriodUntil", 0),  # there is none in 3.0
        cash_raw=2**127,
        price_base=int(case["price"]),
        priced=True,
        fault=None,
    )


def market_of(case: Case) -> Market:
    user = case["user"]
    e_mode = user["eMode"]
    without_ltv = sum(1 << recipe["id"] for recipe in case["reserves"] if recipe["ltv"] == 0)
    return Market(
        revision=0,
        provider=ZERO_ADDRESS,
        configurator=ZERO_ADDRESS,
        oracle=ZERO_ADDRESS,
        sentinel=None,
        sentinel_allows=case.get("sentinel", {"liquidationAllowed": True})["liquidationAllowed"],
        reserves={recipe["id"]: reserve_of(recipe) for recipe in case["reserves"]},
        e_modes={}
        if e_mode is None
        else {
            user["eModeCategory"]: EMode(
                id=user["eModeCategory"],
                ltv_bps=e_mode["ltv"],
                liquidation_threshold_bps=e_mode["liquidationThreshold"],
                liquidation_bonus_bps=e_mode["liquidationBonus"],
                collateral_bitmap=int(e_mode["collateralBitmap"]),
                ltv_zero_bitmap=int(e_mode.get("ltvzeroBitmap", without_ltv)),
            )
        },
    )


def row_of(case: Case) -> Row:
    user = case["user"]
    has, owes = user["scaledAToken"], user["scaledVariableDebt"]
    return Row(
        e_mode=user["eModeCategory"],
        collaterals=tuple(Scaled(n, int(has.get(str(n), 0))) for n in user["collateralIds"]),
        debts=tuple(Scaled(n, int(owes.get(str(n), 0))) for n in user["borrowedIds"]),
    )


def liquidate(revision: ModuleType, case: Case) -> tuple[Account, Pair | None, Close | Refusal]:
    market = market_of(case)
    account = revision.account(market, row_of(case), at_s=case["timestamp"])
    call = case["call"]
    collateral, debt = market.reserves[call["collateralId"]], market.reserves[call["debtId"]]
    refused = revision.refusal(market, account, collateral=collateral, debt=debt)
    if refused is not None:
        return account, None, refused
    pair = revision.pair(account, collateral=collateral, debt=debt)
    close = revision.close(
        pair, debt_to_cover=int(call["debtToCover"]), receive_a_token=call["receiveAToken"]
    )
    return account, pair, close


def refusal_of(expected: Case) -> Refusal:
    """Return the error that was recorded: a custom error, or the name and the code of a string."""
    if "errorString" in expected:
        named = "".join(word.capitalize() for word in expected["error"].split("_"))
        assert _CODES[expected["errorString"]] == named
        return Refusal(named)
    return Refusal(expected["error"])


@pytest.mark.parametrize("name", _FILES)
def test_accrue__recorded_markets__equals_the_contracts(name: str) -> None:
    for case in recorded(name):
        expected = case["expected"]
        for recipe in case["reserves"]:
            with about(name, case):
                indices = _FILES[name].revision.accrue(reserve_of(recipe), at_s=case["timestamp"])
                assert indices.liquidity_ray == int(expected["normalizedIncome"][str(recipe["id"])])
                assert indices.debt_ray == int(expected["normalizedVariableDebt"][str(recipe["id"])])


@pytest.mark.parametrize("name", _FILES)
def test_account_data__recorded_positions__equals_get_user_account_data(name: str) -> None:
    revision = _FILES[name].revision
    for case in recorded(name):
        account = revision.account(market_of(case), row_of(case), at_s=case["timestamp"])
        expected = case["expected"]["accountData"]
        with about(name, case):
            assert revision.account_data(account) == tuple(
                int(expected[key])
                for key in (
                    "totalCollateralBase",
                    "totalDebtBase",
                    "availableBorrowsBase",
                    "currentLiquidationThreshold",
                    "ltv",
                    "healthFactor",
                )
            )


@pytest.mark.parametrize("name", _FILES)
def test_healths__recorded_positions__equals_get_user_account_data(name: str) -> None:
    for case in recorded(name):
        (found,) = healths(_FILES[name].revision, market_of(case), [row_of(case)], at_s=case["timestamp"])
        expected = case["expected"]["accountData"]
        with about(name, case):
            assert (found.collateral_base, found.debt_base, found.health_factor_wad) == tuple(
                int(expected[key]) for key in ("totalCollateralBase", "totalDebtBase", "healthFactor")
            )


@pytest.mark.parametrize("name", _FILES)
def test_close__recorded_calls__does_what_the_contract_did(name: str) -> None:
    told = _FILES[name]
    for case in recorded(name):
        account, pair, close = liquidate(told.revision, case)
        expected = case["expected"]["liquidation"]
        with about(name, case):
            if expected["reverted"]:
                assert close == refusal_of(expected)
            else:
                assert pair is not None
                assert isinstance(close, Close)
                check_close(told, account, pair, close, expected)


def check_close(told: Recorded, account: Account, pair: Pair, close: Close, expected: Case) -> None:
    assert close.repaid_raw == int(expected["debtRepaid"])
    assert close.seized_raw == int(expected["collateralToLiquidator"])
    assert abs(close.protocol_fee_raw - int(expected["protocolFee"])) <= told.fee_slack_raw
    assert {str(one.reserve.id): one.raw for one in close.deficits} == {
        n: int(raw) for n, raw in expected["deficit"].items()
    }
    seized_scaled = told.scaled(close.seized_raw, RAY, pair.collateral.index_ray)
    fee_scaled = pair.collateral.scaled - seized_scaled - close.collateral_scaled_after
    assert fee_scaled == int(expected["treasuryScaledDelta"])
    written_off = {one.reserve.id for one in close.deficits}
    for one in account.collaterals:
        after = close.collateral_scaled_after if one is pair.collateral else one.scaled
        assert after == int(expected["scaledATokenAfter"][str(one.reserve.id)])
    for owed in account.debts:
        untouched = 0 if owed.reserve.id in written_off else owed.scaled
        after = close.debt_scaled_after if owed is pair.debt else untouched
        assert after == int(expected["scaledDebtAfter"][str(owed.reserve.id)])
    left = told.revision.remainder(pair, close)
    assert left.health_factor_wad == int(expected["healthFactorAfter"])
    assert left.collateral_base == int(expected["totalCollateralBaseAfter"])
    assert left.debt_base == int(expected["totalDebtBaseAfter"])


@pytest.mark.parametrize("name", _FILES)
def test_feasible__recorded_calls_that_went_through__are_in_it(name: str) -> None:
    revision = _FILES[name].revision
    for case in recorded(name):
        _, pair, close = liquidate(revision, case)
        if pair is None or case["call"]["receiveAToken"] or isinstance(close, Refusal):
            continue
        with about(name, case):
            stretches = revision.feasible(pair)
            if close.repaid_raw > 0:
                assert not isinstance(stretches, Refusal)
                assert any(one.least_raw <= close.repaid_raw <= one.most_raw for one in stretches)


@pytest.mark.parametrize("name", _FILES)
def test_recorded_cases__by_outcome__are_as_many_as_were_recorded(name: str) -> None:
    outcomes = Counter(
        refusal_of(expected) if expected["reverted"] else "goes through"
        for expected in (case["expected"]["liquidation"] for case in recorded(name))
    )
    print(name, dict(outcomes))
    assert outcomes.total() == _FILES[name].cases
    assert outcomes["goes through"] > 100
    assert outcomes[Refusal.HEALTHY] > 10
