"""Revision 10's arithmetic against 570 answers of the real contracts, reverts and their reasons included."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.address import ZERO_ADDRESS, Address
from keeper.domain.fixed_point import RAY, mul_div_up
from keeper.domain.token import Token
from keeper.protocols.aave_v3 import revision_10
from keeper.protocols.aave_v3.revision import Account, Close, Pair, Refusal
from keeper.protocols.aave_v3.state import Configuration, EMode, Market, Reserve, Row, Scaled

Case = dict[str, Any]

_FILES = ("aave_v3_6_rev10", "aave_v3_6_rev10_edges")


@cache
def recorded(name: str) -> tuple[Case, ...]:
    path = Path(__file__).parent / f"{name}.json.gz"
    return tuple(json.loads(gzip.decompress(path.read_bytes()))["cases"])


ALL = [(name, place) for name in _FILES for place in range(len(recorded(name)))]


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
        grace_until_s=case["gracePeriodUntil"],
        cash_raw=2**127,
        price_base=int(case["price"]),
        priced=True,
        fault=None,
    )


def market_of(case: Case) -> Market:
    user = case["user"]
    e_mode = user["eMode"]
    return Market(
        revision=10,
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
                ltv_zero_bitmap=int(e_mode["ltvzeroBitmap"]),
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


def liquidate(case: Case) -> tuple[Account, Pair | None, Close | Refusal]:
    market = market_of(case)
    account = revision_10.account(market, row_of(case), at_s=case["timestamp"])
    call = case["call"]
    collateral, debt = market.reserves[call["collateralId"]], market.reserves[call["debtId"]]
    refused = revision_10.refusal(market, account, collateral=collateral, debt=debt)
    if refused is not None:
        return account, None, refused
    pair = revision_10.pair(account, collateral=collateral, debt=debt)
    close = revision_10.close(
        pair, debt_to_cover=int(call["debtToCover"]), receive_a_token=call["receiveAToken"]
    )
    return account, pair, close


@pytest.mark.parametrize(("name", "place"), ALL)
def test_accrue__recorded_market__equals_the_contracts(name: str, place: int) -> None:
    case = recorded(name)[place]
    for recipe in case["reserves"]:
        indices = revision_10.accrue(reserve_of(recipe), at_s=case["timestamp"])
        assert indices.liquidity_ray == int(case["expected"]["normalizedIncome"][str(recipe["id"])])
        assert indices.debt_ray == int(case["expected"]["normalizedVariableDebt"][str(recipe["id"])])


@pytest.mark.parametrize(("name", "place"), ALL)
def test_account_data__recorded_position__equals_get_user_account_data(name: str, place: int) -> None:
    case = recorded(name)[place]
    account = revision_10.account(market_of(case), row_of(case), at_s=case["timestamp"])
    expected = case["expected"]["accountData"]
    assert revision_10.account_data(account) == tuple(
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


@pytest.mark.parametrize(("name", "place"), ALL)
def test_close__recorded_call__does_what_the_contract_did(name: str, place: int) -> None:
    case = recorded(name)[place]
    expected = case["expected"]["liquidation"]
    account, pair, close = liquidate(case)
    if expected["reverted"]:
        assert close == expected["error"]
        return
    assert isinstance(close, Close)
    assert pair is not None
    assert close.repaid_raw == int(expected["debtRepaid"])
    assert close.seized_raw == int(expected["collateralToLiquidator"])
    # the event's fee is worked out again from scaled balances, and may be one unit off the fee taken
    assert abs(close.protocol_fee_raw - int(expected["protocolFee"])) <= 1
    assert {str(one.reserve.id): one.raw for one in close.deficits} == {
        n: int(raw) for n, raw in expected["deficit"].items()
    }
    seized_scaled = mul_div_up(close.seized_raw, RAY, pair.collateral.index_ray)
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
    left = revision_10.remainder(pair, close)
    assert left.health_factor_wad == int(expected["healthFactorAfter"])
    assert left.collateral_base == int(expected["totalCollateralBaseAfter"])
    assert left.debt_base == int(expected["totalDebtBaseAfter"])


def test_recorded_cases__by_outcome__are_as_many_as_were_recorded() -> None:
    outcomes = Counter(
        case["expected"]["liquidation"].get("error", "goes through")
        for name in _FILES
        for case in recorded(name)
    )
    print(dict(outcomes))
    assert [len(recorded(name)) for name in _FILES] == [403, 167]
    assert {outcome for outcome in outcomes if outcome != "goes through"} <= set(Refusal)
    assert outcomes["goes through"] > 300
