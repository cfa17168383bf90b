"""A demo in which every promise holds, made up: figures that are easy to follow."""

from __future__ import annotations

from dataclasses import replace

from keeper.devnet.attacks import AttackResult
from keeper.devnet.demo.report import (
    BadDebt,
    Comparison,
    DemoReport,
    Failure,
    Liquidation,
    LostRace,
    Overlooked,
    Recovery,
    Sandwich,
)
from keeper.domain.address import Address, Hash32
from keeper.domain.plan import Plan
from keeper.domain.position import PositionId
from tests.unit.render.reports import BUY, PLAN, UNPROFITABLE, USD, USDC, WBTC, WEI, WETH

GAS_WEI = 10**16
ARRIVED_WEI = 9 * WEI


MARKETS = ("aave-v3:0x87", "morpho:0xBB/0x3a", "morpho-pre:0x6F/0x01")


def position(number: int) -> PositionId:
    """Return a position, of the protocols in turn."""
    return PositionId(MARKETS[number % 3], Address(bytes([number]) * 20))


def plan_for(number: int) -> Plan:
    market, borrower = position(number)
    return replace(PLAN, draft=replace(PLAN.draft, market=market, borrower=borrower))


def liquidation(number: int) -> Liquidation:
    return Liquidation(
        block_number=500 + number,
        hash=Hash32(bytes([number]) * 32),
        plan=plan_for(number),
        predicted_wei=ARRIVED_WEI - GAS_WEI,
        arrived_wei=ARRIVED_WEI,
        gas_wei=GAS_WEI,
        comparison=Comparison(half_wei=None if number % 2 else 8 * WEI, full_wei=7 * WEI),
    )


LIQUIDATIONS = tuple(liquidation(number) for number in range(1, 11))
LOST = LostRace(
    block_number=504,
    plan=plan_for(11),
    place=3,
    gas_used=44_250,
    gas_wei=10**15,
    rival_place=0,
    rival_priority_fee_wei=3 * 10**9,
    rival_paid_wei=5 * 10**15,
    rival_seized_raw=3 * WEI,
)
FAILURE = Failure(block_number=505, hash=Hash32(b"\xaa" * 32), plan=plan_for(4))
OVERLOOKED = Overlooked(
    block_number=506, position=position(20), collateral="WETH", debt="USDC", net_wei=WEI, why=UNPROFITABLE
)
SANDWICH = Sandwich(
    plan=plan_for(1),
    hops=BUY.hops[:1],
    sold_raw=69 * WEI,
    lost_raw=WEI // 10,
    succeeded=False,
    error="FloorNotMet",
    profit_wei=8 * WEI,
    taken_wei=0,
)
ATTACKS = tuple(
    AttackResult(name=name, explanation="what it does", taken_wei=0, taken_from_allow_list_wei=100 * WEI)
    for name in ("one", "two", "three")
)
RECOVERY = Recovery(
    block_number=502,
    position=position(2),
    hash=Hash32(b"\xbb" * 32),
    back_after_s=1.5,
    found=None,
    liquidations=1,
)
REPORT = DemoReport(
    seed=1,
    borrowers=63,
    steps=16,
    blocks=39,
    symbols={token.address: token.symbol for token in (WETH, USDC, WBTC)},
    unhealthy=frozenset(position(number) for number in range(1, 13)),
    liquidations=LIQUIDATIONS,
    lost=(LOST,),
    failures=(),
    declined={position(12): UNPROFITABLE},
    overlooked=(),
    bad_debts=(BadDebt(position=position(2), written_off_base=3_169 * USD, uncovered_base=0),),
    sandwich=SANDWICH,
    attacks=ATTACKS,
    recovery=RECOVERY,
    vault_wei=10 * ARRIVED_WEI,
    claimed_wei=10 * (ARRIVED_WEI - GAS_WEI),
    seconds=12.34,
)
