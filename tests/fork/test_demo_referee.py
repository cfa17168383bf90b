"""The referee finds what could be had, and the judge says so of a keeper that does nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.devnet import BLOCK_S, Devnet
from keeper.devnet.demo.following import Decision
from keeper.devnet.demo.judging import Judge
from keeper.devnet.demo.referee import FULL_BPS, HALF_BPS, Block, Pending, Position, Referee
from keeper.devnet.morpho import MARKETS
from keeper.domain.declined import Declined, Reason
from keeper.domain.position import PositionId

GWEI = 10**9


@pytest.fixture(scope="module")
def crashed() -> Iterator[Devnet]:
    """Return a devnet on which Ether has fallen by 13 %, all at once."""
    with Devnet.start(automine=False) as devnet:
        devnet.market_block({"WETH": 2_610 * 10**8, "wstETH": 3_180 * 10**8}, base_fee_wei=10 * GWEI)
        yield devnet


@pytest.fixture(scope="module")
def referee(crashed: Devnet) -> Referee:
    return Referee(crashed)


def _block(devnet: Devnet) -> Block:
    number, now_s = devnet.chain.block_number(), devnet.now_s
    return Block(number=number + 1, timestamp_s=now_s + BLOCK_S, base_fee_wei=10 * GWEI)


def _unhealthy(devnet: Devnet, referee: Referee) -> list[Position]:
    return [one for one in referee.positions(_block(devnet)) if one.unhealthy]


def _judge(devnet: Devnet, referee: Referee) -> Judge:
    symbols = {token: symbol for symbol, token in devnet.addresses.tokens.items()}
    return Judge(referee=referee, operator=devnet.operator.address, symbols=symbols)


def _overlooked(devnet: Devnet, referee: Referee, left: dict[PositionId, Declined]) -> set[PositionId]:
    found = _judge(devnet, referee).overlooked(
        _unhealthy(devnet, referee), Decision(pursued=(), left=left), _block(devnet)
    )
    return {one.position for one in found}


def test_positions__after_a_crash__as_the_pool_says(crashed: Devnet, referee: Referee) -> None:
    there = crashed.addresses
    positions = [one for one in referee.positions(_block(crashed)) if one.id.market == there.aave_market]
    assert len(positions) == len(there.borrowers)
    assert 8 <= len([one for one in positions if one.unhealthy]) <= 30
    for one in positions:
        assert one.collaterals and one.debts


def test_positions__after_a_crash__of_morpho_as_its_own_liquidation_says(
    crashed: Devnet, referee: Referee
) -> None:
    there, block = crashed.addresses, _block(crashed)
    positions = [one for one in referee.positions(block) if one.id.market != there.aave_market]
    own = [one for one in positions if not one.is_offer]
    assert len(own) == len(there.morpho_borrowers)
    assert {one.id.borrower for one in own} == set(there.morpho_borrowers)
    unhealthy = {one.id.borrower for one in own if one.unhealthy}
    offered = {one.id.borrower for one in positions if one.is_offer}
    assert 2 <= len(unhealthy) <= 12
    assert len(offered) >= 1, "who opted in, and is not Morpho's own to liquidate"
    assert not unhealthy & offered
    for one in own:
        ltv = one.debt_base / one.collateral_base
        lltv = MARKETS[f"{one.collaterals[0]}/{one.debts[0]}"].lltv_wad / 1e18
        assert (ltv > lltv) == one.unhealthy


@pytest.mark.parametrize("protocol", ["morpho:", "morpho-pre:"])
def test_close__of_morpho__as_much_as_it_lets_be_closed(
    crashed: Devnet, referee: Referee, protocol: str
) -> None:
    block = _block(crashed)
    closes = referee.full_closes(
        [one for one in _unhealthy(crashed, referee) if one.id.market.startswith(protocol)], block
    )
    assert closes
    best = max((one for tried in closes.values() for one in tried), key=lambda one: one.profit_wei)
    assert best.profit_wei > 10**15
    assert 150_000 < best.gas_used < 900_000
    half = referee.close(
        best.position, best.collateral, best.debt,
        share_bps=HALF_BPS, block=block, after=(), gas_price_wei=0,
    )  # fmt: skip
    if protocol == "morpho:":
        assert half is not None and 0 < half.profit_wei < best.profit_wei
    else:
        assert half is None or half.profit_wei <= best.profit_wei


def test_close__unhealthy__leaves_a_profit_and_changes_nothing(crashed: Devnet, referee: Referee) -> None:
    block = _block(crashed)
    unhealthy = _unhealthy(crashed, referee)
    closes = referee.full_closes(unhealthy, block)
    assert len(closes) >= 5
    best = max((one for tried in closes.values() for one in tried), key=lambda one: one.profit_wei)
    assert best.profit_wei > 10**17
    assert 300_000 < best.gas_used < 1_200_000
    assert _unhealthy(crashed, referee) == unhealthy
    price_wei = 11 * GWEI
    half, full = (
        referee.close(
            best.position, best.collateral, best.debt,
            share_bps=share, block=block, after=(), gas_price_wei=price_wei,
        )
        for share in (HALF_BPS, FULL_BPS)
    )  # fmt: skip
    assert full == best
    assert half is not None and 0 < half.profit_wei <= best.profit_wei * 1_001 // 1_000


def test_close__healthy__is_refused(crashed: Devnet, referee: Referee) -> None:
    block = _block(crashed)
    healthy = [one for one in referee.positions(block) if not one.unhealthy]
    assert referee.full_closes(healthy[:5], block) == {}


def test_close__behind_the_same_depth__leaves_less(crashed: Devnet, referee: Referee) -> None:
    """What runs before it counts: here an attacker's sale, which the referee is told of."""
    block = _block(crashed)
    closes = referee.full_closes(_unhealthy(crashed, referee), block)
    attempt = max(
        (one for tried in closes.values() for one in tried if one.collateral == "WETH"),
        key=lambda one: one.profit_wei,
    )
    there, market = crashed.addresses, crashed.market.address

    def sale(fee_pips: int) -> Pending:
        order = (there.weth, there.tokens[attempt.debt], fee_pips, market, 50 * 10**18, 0, 0)
        data = crashed.router.interface.encode("exactInputSingle", order)
        return Pending(sender=market, to=there.router, data=data)

    behind = referee.close(
        attempt.position, "WETH", attempt.debt,
        share_bps=FULL_BPS, block=block, after=(sale(500), sale(3000)), gas_price_wei=0,
    )  # fmt: skip
    assert behind is not None and behind.profit_wei < attempt.profit_wei


def test_overlooked__keeper_says_nothing__all_that_pays(crashed: Devnet, referee: Referee) -> None:
    assert len(_overlooked(crashed, referee, {})) >= 5


@pytest.mark.parametrize(
    ("reason", "is_excused"),
    [
        (Reason.DENIED, True),
        (Reason.BELOW_MINIMUM, True),
        (Reason.DIVERGENCE, True),
        (Reason.STALE_ORACLE, True),
        (Reason.BAD_DEBT, True),
        (Reason.BACKING_OFF, True),
        (Reason.UNPROFITABLE, False),
        (Reason.NO_ROUTE, False),
        (Reason.DUST, False),
        (Reason.SIMULATION, False),
    ],
)
def test_overlooked__declined__only_a_stated_limit_excuses(
    crashed: Devnet, referee: Referee, reason: Reason, is_excused: bool
) -> None:
    paying = _overlooked(crashed, referee, {})
    left = {position: Declined(reason=reason, detail="") for position in paying}
    assert _overlooked(crashed, referee, left) == (set() if is_excused else paying)


def test_overlooked__keeper_says_nothing__of_every_protocol(crashed: Devnet, referee: Referee) -> None:
    protocols = {position.market.partition(":")[0] for position in _overlooked(crashed, referee, {})}
    assert protocols == {"aave-v3", "morpho", "morpho-pre"}
