"""Each hazard, made real on the chain, is declined by its own name; and nothing is sent into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.aave import compile_aave
from keeper.devnet.attacks import compile_attackers
from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.observation import Observation
from keeper.domain.plan import Plan
from keeper.domain.token_rules import TokenClass, TokenRules
from keeper.planner.options import PlannerOptions
from tests.fork import aave_v3_stage
from tests.fork.keeper_stage import stage

pytestmark = pytest.mark.asyncio

SYMBOL = "wstETH"
"""The collateral that the hazards are about."""


def paused(devnet: Devnet) -> None:
    _configure(devnet, "setReservePause", True, 0)


def in_grace(devnet: Devnet) -> None:
    _configure(devnet, "setReservePause", True, 0)
    _configure(devnet, "setReservePause", False, 3_600)


def without_cash(devnet: Devnet) -> None:
    places, addresses = aave_v3_stage.Stage(devnet), devnet.addresses
    getter = load("aave_v3_pool").function("getVirtualUnderlyingBalance")
    place = places.place(addresses.pool, getter, addresses.tokens[SYMBOL])
    word = places.word(place) & (1 << 128) - 1  # the balance is the upper half
    devnet.anvil.rpc(
        "anvil_setStorageAt", f"0x{place.contract.hex()}", f"0x{place.slot:064x}", f"0x{word:064x}"
    )


def zero_oracle(devnet: Devnet) -> None:
    devnet.set_price(SYMBOL, 0)


def far_from_the_pools(devnet: Devnet) -> None:
    devnet.set_price(SYMBOL, devnet.price_base(SYMBOL) * 85 // 100)


def keeps_a_part(devnet: Devnet) -> None:
    token = compile_attackers()["FeeToken"]
    sent = devnet.chain.post(devnet.operator.address, None, token.creation_code())
    at = Address(bytes.fromhex(devnet.chain.receipt(sent)["contractAddress"][2:]))
    code = devnet.anvil.rpc("eth_getCode", f"0x{at.hex()}", "latest")
    devnet.chain.set_code(devnet.addresses.tokens[SYMBOL], bytes.fromhex(code[2:]))


def nothing(devnet: Devnet) -> None:
    pass


def _configure(devnet: Devnet, name: str, *arguments: object) -> None:
    interface = compile_aave()["PoolConfiguratorInstance"].interface
    configurator = devnet.contract(devnet.addresses.configurator, interface)
    configurator.send(name, devnet.addresses.tokens[SYMBOL], *arguments, sender=devnet.market.address)


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """How it comes about, by the chain or by the settings, and what it is called."""

    reason: Reason
    happens: Callable[[Devnet], None] = nothing
    settings: Callable[[Devnet], dict[str, object]] = lambda devnet: {}
    unsold: bool = False
    after_reading: bool = False
    """It comes about behind what the keeper reads anew at every head."""


HAZARDS = [
    Hazard(reason=Reason.PAUSED, happens=paused),
    Hazard(reason=Reason.IN_GRACE, happens=in_grace),
    Hazard(reason=Reason.NO_CASH, happens=without_cash),
    Hazard(reason=Reason.ZERO_PRICE, happens=zero_oracle),
    Hazard(reason=Reason.DIVERGENCE, happens=far_from_the_pools),
    Hazard(
        reason=Reason.DENIED,
        settings=lambda devnet: {
            "tokens": TokenRules(named=frozenset({(devnet.addresses.tokens[SYMBOL], TokenClass.NEVER)}))
        },
    ),
    Hazard(reason=Reason.CANT_BE_SOLD, unsold=True),
    Hazard(reason=Reason.FEE_ON_TRANSFER, happens=keeps_a_part, after_reading=True),
]


def told(seen: Observation, decided: dict[Address, Plan | Declined]) -> set[Reason]:
    """Return why nothing is done about pairs with the hazardous collateral."""
    reasons = {one.reason for one in decided.values() if isinstance(one, Declined)}
    return reasons | {
        pair.why.reason
        for opportunity in seen.opportunities
        for pair in opportunity.declined
        if pair.collateral.symbol == SYMBOL
    }


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.reason.value)
async def test_decide__a_hazard__declined_by_its_name(devnet: Devnet, hazard: Hazard) -> None:
    addresses = devnet.addresses
    options = PlannerOptions(intermediates=(addresses.weth, addresses.tokens["USDC"]))
    options = replace(options, **hazard.settings(devnet))  # type: ignore[arg-type]
    fallen = {symbol: devnet.price_base(symbol) * 85 // 100 for symbol in ("WETH", SYMBOL)}
    devnet.market_block(fallen)
    async with stage(devnet, options) as on:
        if hazard.after_reading:
            await on.engine.observe(await on.head())
        hazard.happens(devnet)
        if hazard.after_reading:
            devnet.mine()
        seen = await on.engine.observe(await on.head())
        if hazard.unsold:
            token = addresses.tokens[SYMBOL]
            seen = replace(seen, pools={at: one for at, one in seen.pools.items() if token not in one.tokens})
        concerned = [
            one
            for one in seen.opportunities
            if SYMBOL
            in {terms.collateral.symbol for terms in one.terms}
            | {pair.collateral.symbol for pair in one.declined}
        ]
        assert concerned
        considered = await on.engine.decide(replace(seen, opportunities=tuple(concerned)))
    decided = {one.opportunity.borrower: one.decision for one in considered}
    assert hazard.reason in told(seen, decided)
    for decision in decided.values():
        assert not isinstance(decision, Plan) or decision.draft.close.seized.token.symbol != SYMBOL
