"""Aave V3.0 from its published artifacts: read as the keeper reads it, and twelve hundred random cases."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from eth_abi.abi import decode

from keeper.abi import load
from keeper.devnet.aave import RESERVES
from keeper.devnet.aave_v3_0 import deploy_aave_v3_0, read_aave_v3_0
from keeper.devnet.devnet import Devnet
from keeper.devnet.tokens import TOKENS
from keeper.domain.fixed_point import BPS, mul_div_half_up, mul_div_up
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.protocols.aave_v3 import AaveV3, revision_1
from keeper.protocols.aave_v3.revision import Refusal
from keeper.query import run
from tests.fork import aave_v3_cases as cases
from tests.fork.aave_v3_cases import Case, Kind, Subject
from tests.fork.aave_v3_loans import borrow, premium_raw, with_receiver
from tests.fork.aave_v3_stage import AT, Ran, Scene, Stage

_ERROR_STRING = bytes.fromhex("08c379a0")
_CODES = {
    "25": Refusal.NOTHING_BURNED,
    "27": Refusal.RESERVE_INACTIVE,
    "29": Refusal.RESERVE_PAUSED,
    "45": Refusal.HEALTHY,
    "46": Refusal.NOT_COLLATERAL,
    "47": Refusal.NOT_BORROWED,
    "59": Refusal.SENTINEL,
}
_BALANCE = load("erc20").function("balanceOf")
_INDEX_AGE_S = 300 * 86_400


@pytest.fixture
def stage(devnet: Devnet) -> Stage:
    """Return a stage on an old market in which much is lent and some of it owed since long ago."""
    admin, tokens = devnet.market.address, devnet.addresses.tokens
    market = deploy_aave_v3_0(
        devnet.chain, read_aave_v3_0(), tokens=tokens, feeds=devnet.addresses.feeds, admin=admin
    )
    addresses = replace(
        devnet.addresses,
        provider=market.provider.address,
        pool=market.pool.address,
        configurator=market.configurator.address,
        oracle=market.oracle.address,
        sentinel=market.sentinel.address,
        sequencer_oracle=market.sequencer_oracle.address,
        a_tokens=market.a_tokens,
        debt_tokens=market.debt_tokens,
        deployment_block=market.deployment_block,
    )
    erc20 = read_aave_v3_0()["AToken"].interface
    lent = Stage(devnet, addresses)
    for symbol, token in tokens.items():
        raw = TOKENS[symbol].raw(RESERVES[symbol].lent_usd)
        place = lent.place(token, _BALANCE, admin)
        devnet.anvil.rpc(
            "anvil_setStorageAt", f"0x{token.hex()}", f"0x{place.slot:064x}", f"0x{2 * raw:064x}"
        )
        devnet.contract(token, erc20).send("approve", market.pool, raw, sender=admin)
        market.pool.send("supply", token, raw, admin, 0, sender=admin)
    for symbol, token in tokens.items():
        raw = TOKENS[symbol].raw(RESERVES[symbol].lent_usd * 0.4)
        market.pool.send("borrow", token, raw, 2, 0, admin, sender=admin)
    devnet.mine(at_s=devnet.now_s + _INDEX_AGE_S)
    for symbol, token in tokens.items():  # so that indices are stored that have grown
        raw = TOKENS[symbol].raw(1)
        devnet.contract(token, erc20).send("approve", market.pool, raw, sender=admin)
        market.pool.send("supply", token, raw, admin, 0, sender=admin)
    return Stage(devnet, addresses)


# --- reading ------------------------------------------------------------------------------------------------


async def test_open__old_pool__every_reserve_in_three_rounds_and_one_a_head(stage: Stage) -> None:
    protocol = AaveV3(pool=stage.addresses.pool)
    scene = Scene(stage=stage, at_s=stage.now_s + 1)
    market = await run(protocol.open(), AT, scene)
    assert scene.rounds == 3
    assert market.revision == 1
    by_symbol = {reserve.token.symbol: reserve for reserve in market.reserves.values()}
    assert {symbol: reserve.a_token for symbol, reserve in by_symbol.items()} == stage.addresses.a_tokens
    assert {
        symbol: reserve.debt_token for symbol, reserve in by_symbol.items()
    } == stage.addresses.debt_tokens
    assert market.sentinel == stage.addresses.sentinel
    assert all(reserve.grace_until_s == 0 for reserve in by_symbol.values())
    assert all(reserve.liquidity_index_ray > 10**27 for reserve in by_symbol.values())
    for symbol, reserve in by_symbol.items():
        held = scene.run([(stage.addresses.pool, reserve.token.address, _BALANCE.encode(reserve.a_token))])
        assert reserve.cash_raw == int.from_bytes(held[0].returned) > 0, symbol
    (e_mode,) = market.e_modes.values()
    assert {symbol for symbol, one in by_symbol.items() if e_mode.covers(one.id)} == {"WETH", "wstETH"}
    assert (e_mode.liquidation_threshold_bps, e_mode.liquidation_bonus_bps) == (9_500, 10_100)
    scene.rounds = 0
    again = await run(protocol.refresh(market, configuration=False), AT, scene)
    assert scene.rounds == 1
    assert again.reserves == market.reserves
    assert again.e_modes == market.e_modes


async def test_load__old_pool__lends_what_its_a_tokens_have_and_rounds_half_up(stage: Stage) -> None:
    scene = Scene(stage=stage, at_s=stage.now_s + 1)
    source = AaveV3Flash(pool=stage.addresses.pool)
    offers = await run(source.load(list(stage.addresses.tokens.values())), AT, scene)
    assert all(offer.half_up for offer in offers)
    market = await run(AaveV3(pool=stage.addresses.pool).open(), AT, scene)
    assert {offer.token: offer.available_raw for offer in offers} == {
        reserve.token.address: reserve.cash_raw for reserve in market.reserves.values()
    }


async def test_fee_raw__random_loans_of_an_old_pool__is_the_premium_taken(stage: Stage) -> None:
    scene = with_receiver(Scene(stage=stage, at_s=stage.now_s + 1))
    source, rng = AaveV3Flash(pool=stage.addresses.pool), Random(3)
    offers = await run(source.load(list(stage.addresses.tokens.values())), AT, scene)
    rounded_down = 0
    for _ in range(60):
        offer = rng.choice(offers)
        amount_raw = int(offer.available_raw ** rng.random())
        ran = borrow(scene, source, offer, amount_raw)
        assert not ran.reverted
        assert premium_raw(ran, amount_raw) == offer.fee_raw(amount_raw)
        rounded_down += offer.fee_raw(amount_raw) < mul_div_up(amount_raw, 5, BPS)
    assert rounded_down > 10  # as many show that it does not round up


# --- liquidating --------------------------------------------------------------------------------------------


def _no_cash(case: Case) -> None:
    case.receive_a_token = False
    case.cover = "all"
    case.debt_dollars = 10 ** case.rng.uniform(3, 6)

    def change(scene: Scene, case: Case) -> None:
        addresses = scene.stage.addresses
        token, a_token = addresses.tokens[case.collateral], addresses.a_tokens[case.collateral]
        scene.set(scene.stage.place(token, _BALANCE, a_token), case.rng.randrange(10**5))

    case.change = change


def _no_threshold(case: Case) -> None:
    """The collateral called for is none any more: its threshold was taken away."""
    case.others = tuple(s for s in case.symbols if s not in (case.collateral, case.debt))[:1]
    case.change = lambda scene, case: scene.configure(case.collateral, 0, bits=16, at_bit=16)


def _one_token(case: Case) -> None:
    case.debt = case.collateral
    case.cover = "all"


_KINDS: dict[str, Kind] = {
    "half": cases.half,
    "full": cases.full,
    "capped": cases.capped,
    "bad debt": cases.deficit,
    "e-mode": cases.e_mode,
    "two debts": cases.two_debts,
    "edge": cases.edge,
    "any": cases.anything,
    "one token": _one_token,
    "inactive": cases.inactive,
    "paused": cases.paused,
    "sentinel": cases.sentinel,
    "healthy": cases.healthy,
    "not collateral": cases.not_collateral,
    "no threshold": _no_threshold,
    "not borrowed": cases.not_borrowed,
    "nothing burned": cases.nothing_burned,
    "no cash": _no_cash,
    "no price": cases.no_price,
    "zero price": cases.zero_price,
}
_EXPECTED = [
    "half close",
    "full close",
    "collateral-capped",
    "bad debt left",
    "part",
    "one token",
    "e-mode",
    "two debts",
    "fee rounded up",
    "receives aTokens",
    *_CODES.values(),
    Refusal.NO_CASH,
    Refusal.NO_PRICE,
    Refusal.ZERO_PRICE,
]


def reason_of(ran: Ran) -> str:
    """Return what a call reverted with: in 3.0 a number, as a string."""
    if ran.returned[:4] == _ERROR_STRING:
        (code,) = decode(("string",), ran.returned[4:])
        return _CODES.get(code, code)
    return cases.panic_of(ran) or ran.returned.hex() or Refusal.NO_PRICE


@pytest.mark.timeout(400)
async def test_liquidation__random_positions__contracts_and_arithmetic_agree_to_the_wei(stage: Stage) -> None:
    subject = Subject(revision=revision_1, seized_scaled=mul_div_half_up, reason_of=reason_of)
    counts = await cases.hold(subject, stage, _KINDS)
    assert {name: counts[name] for name in _EXPECTED if counts[name] < cases.LEAST_OF_EACH} == {}
