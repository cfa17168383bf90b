"""Where nobody lends the debt token the collateral is borrowed, and buys it first: for real, to the wei."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from keeper.devnet import Devnet
from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.funding import Offer
from keeper.flash.balancer_v2 import BalancerV2Flash
from keeper.flash.morpho_blue import MorphoBlueFlash
from keeper.flash.uniswap_v3 import UniswapV3Flash
from keeper.ports import FlashSource
from keeper.query import Query
from tests.fork.keeper_stage import stage
from tests.fork.test_planner_fuzz import assert_happens, markets, options_for, plans


@dataclass(frozen=True, slots=True)
class Without:
    """A lender that has nothing of these tokens."""

    lender: FlashSource
    missing: frozenset[Address]

    @property
    def name(self) -> str:
        return self.lender.name

    @property
    def loan_gas(self) -> int:
        return self.lender.loan_gas

    def load(self, tokens: Sequence[Address]) -> Query[tuple[Offer, ...]]:
        offers = yield from self.lender.load(tokens)
        return tuple(offer for offer in offers if offer.token not in self.missing)

    def call(self, offer: Offer, *, amount_raw: int, executor: Address) -> ContractCall:
        return self.lender.call(offer, amount_raw=amount_raw, executor=executor)


async def test_decide__nobody_lends_wrapped_native_coin__a_debt_in_it_is_bought_with_a_loan_of_the_collateral(
    manual_devnet: Devnet, full: bool
) -> None:
    there = manual_devnet.addresses
    without = Without(MorphoBlueFlash(morpho=there.morpho), frozenset({there.weth}))
    cases, counts = (100 if full else 5), Counter[str]()
    async with stage(manual_devnet, options_for(manual_devnet), lenders=[without]) as on:
        await on.engine.observe(await on.head())
        async for _, considered in markets(on, Random(5)):
            for _, plan in plans(considered, counts):
                if plan.draft.close.repaid.token.address == there.weth:
                    assert plan.draft.funding.endswith("of the collateral")
                    assert_happens(on, plan, counts)
                    counts["executed"] += 1
            if counts["executed"] >= cases:
                break
    print(dict(counts))
    assert counts["declined: simulation"] == 0 and counts["executed"] >= cases
    assert counts["split"] and counts["over an intermediate"] and counts["crosses ticks"]


async def test_decide__nobody_lends_the_debt__earns_to_the_wei_on_a_loan_of_the_collateral(
    manual_devnet: Devnet, full: bool
) -> None:
    there = manual_devnet.addresses
    dollars = frozenset(there.tokens[symbol] for symbol in ("USDC", "USDT", "DAI") if symbol in there.tokens)
    lenders: dict[str, FlashSource] = {
        "of one with a fee": UniswapV3Flash(factory=there.factory, beside=(there.weth, there.tokens["USDC"])),
        "of Morpho": MorphoBlueFlash(morpho=there.morpho),
        "of Balancer": BalancerV2Flash(vault=there.balancer),
    }
    cases, counts = (100 if full else 4), Counter[str]()
    for name, lender in lenders.items():
        async with stage(manual_devnet, options_for(manual_devnet), lenders=[Without(lender, dollars)]) as on:
            await on.engine.observe(await on.head())
            async for _, considered in markets(on, Random(5)):
                for _, plan in plans(considered, counts):
                    if plan.draft.funding.endswith("of the collateral"):
                        assert plan.draft.close.repaid.token.address in dollars
                        assert plan.draft.close.flash_fee.token == plan.draft.close.seized.token
                        assert_happens(on, plan, counts)
                        counts[name] += 1
                if counts[name] >= cases:
                    break
    print(dict(counts))
    assert counts["declined: simulation"] == 0
    assert all(counts[name] >= cases for name in lenders)
    assert counts["split"] and counts["part"] and counts["over an intermediate"]
