"""A ladder in bundles: arbitrage comes first in the block, the plan fails its floor, a smaller size lands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from keeper.devnet import Devnet, accounts
from keeper.devnet.build import BLOCK_S, CHAIN_ID
from keeper.devnet.demo import log
from keeper.devnet.demo.sandwich import attacked, exchanges
from keeper.devnet.drill.stage import DaemonStage, balance_raw, daemon_stage
from keeper.devnet.relay import Bundle, Relay
from keeper.devnet.scenario import crash
from keeper.domain.plan import Fees, Plan
from keeper.domain.submission import Included, Submission, Superseded, UnsignedTransaction
from keeper.keys import SigningKey
from tests.fork.test_channels_run import built, bundling

SALES_BPS = (10, 20, 40, 60, 80, 100, 130, 160, 200, 250, 300, 400, 500)
"""Of a pool's balance: what the arbitrage may sell, until a smaller size is what still meets its floor."""


@dataclass(frozen=True)
class Offered:
    """A plan in bundles for the next block: itself, then its smaller sizes."""

    plan: Plan
    floors_wei: tuple[int, ...]
    """Of the smaller sizes."""
    sizes: tuple[Submission, ...]


def until_offered(stage: DaemonStage) -> Offered:
    """Let the market move until a plan is out with a ladder, and its nonce is the next one."""
    for step in crash(2, steps=20):
        stage.devnet.market_block(step.prices_base, base_fee_wei=step.base_fee_wei)
        head = stage.devnet.chain.block_number()
        lines = stage.living.until(partial(_decided, head=head))
        open_ = stage.open_intents()
        for line in lines:
            if line["event"] != "planned":
                continue
            plan, ladder = log.plan(line), line["plan"]["ladder"]
            sizes = tuple(one for one in open_ if one.positions == plan.draft.positions)
            if len(sizes) == 3 and sizes[0].nonce == min(one.nonce for one in open_) and attacked(plan):
                return Offered(plan, tuple(int(one["draft"]["floor_wei"]) for one in ladder), sizes)
    raise AssertionError("no ladder was offered")


def _decided(line: log.Line, *, head: int) -> bool:
    return bool(line["event"] == "decided" and line["head"]["number"] >= head)


def arbitrage(stage: DaemonStage, plan: Plan) -> Iterator[list[bytes]]:
    """Yield sales into the pools that the plan sells into, each time more of the same."""
    devnet = stage.devnet
    trader = accounts.market()
    known = exchanges(devnet.chain, devnet.addresses, trader.address)
    key, sender = SigningKey(trader.private_key), f"0x{trader.address.hex()}"
    for sale_bps in SALES_BPS:
        sales: list[bytes] = []
        for hop in attacked(plan):
            raw = balance_raw(devnet, hop.token_in, hop.pool) * sale_bps // 10_000
            exchange = known[hop.pool]
            unsigned = UnsignedTransaction(
                chain_id=CHAIN_ID,
                nonce=int(devnet.anvil.rpc("eth_getTransactionCount", sender, "latest"), 16) + len(sales),
                to=exchange.router,
                value_wei=0,
                data=exchange.back(hop, raw),
                fees=Fees(
                    gas_limit=1_000_000, max_fee_per_gas_wei=10**12, max_priority_fee_per_gas_wei=10**9
                ),
            )
            sales.append(key.sign_transaction(unsigned).raw)
        yield sales


async def test_run__arbitrage_ahead_of_the_plan__the_smaller_size_lands_and_the_others_are_superseded(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    async with Relay(manual_devnet.anvil.rpc) as relay:
        with daemon_stage(manual_devnet, tmp_path) as stage:
            stage.environment |= bundling(stage, relay.url + "#cancels")
            stage.start()
            stage.await_decision()
            offered = await asyncio.to_thread(until_offered, stage)
            plan, smaller = offered.sizes[0], offered.sizes[1]
            raws = [one.transaction.raw for one in offered.sizes]
            assert [one.transactions[-1] for one in relay.bundles if one.transactions[-1] in raws] == raws
            assert len({one.nonce for one in offered.sizes}) == 1
            assert [one.rung for one in offered.sizes] == [0, 1, 2]

            block, at_s = manual_devnet.chain.block_number() + 1, manual_devnet.now_s + BLOCK_S
            for sales in arbitrage(stage, offered.plan):
                ahead = Bundle(transactions=tuple(sales), first_block=block, block=block, signer="another")
                plan_holds, smaller_holds = (
                    relay.holds([*sales, one.transaction.raw], block, at_s, ahead) for one in (plan, smaller)
                )
                if smaller_holds and not plan_holds:
                    break
            else:
                pytest.fail("no sale left the smaller size its floor, and took the plan's")
            relay.bundles.insert(0, ahead)
            await built(stage, relay)
            await built(stage, relay)
            stage.stop()
            outcomes = {one.hash: outcome for one, outcome in stage.journal()}
    kinds = [type(outcomes[one.hash]) for one in offered.sizes]
    assert kinds == [Superseded, Included, Superseded], "of one nonce one landed, each came to one outcome"
    landed = outcomes[smaller.hash]
    assert isinstance(landed, Included) and landed.realised_profit_wei > 0
    assert landed.vault_profit_wei >= offered.floors_wei[0]
