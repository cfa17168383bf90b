"""`keeper run` with bundles alone, from its settings to the relay: misses, a kill, and a lying relay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from keeper.devnet import Devnet
from keeper.devnet.build import BLOCK_S
from keeper.devnet.drill.stage import DaemonStage, balance_raw, daemon_stage
from keeper.devnet.relay import Mood, Relay
from keeper.devnet.scenario import Step, crash
from keeper.domain.submission import Expired, Included, Superseded
from keeper.store import SqliteJournal


def bundling(stage: DaemonStage, builder: str) -> dict[str, str]:
    """Return the settings with which a keeper sends bundles alone, to this builder."""
    return {
        "KEEPER_RPC_URLS": stage.environment["KEEPER_RPC_URLS"] + "#trusted",
        "KEEPER_CHANNELS": "bundle",
        "KEEPER_BUILDERS": builder,
    }


async def decided(stage: DaemonStage) -> None:
    await asyncio.to_thread(stage.await_decision)


async def built(stage: DaemonStage, relay: Relay) -> None:
    """Have the relay build a block, and wait until the keeper has decided upon it."""
    assert stage.devnet.anvil.rpc("txpool_content")["pending"] == {}, "shown to a public pool"
    await relay.build(at_s=stage.devnet.now_s + BLOCK_S)
    await decided(stage)


async def market(stage: DaemonStage, path: Iterator[Step], steps: int) -> None:
    """Let the market move, so that there are bundles out for the next block."""
    for step in islice(path, steps):
        await asyncio.to_thread(stage.devnet.market_block, step.prices_base, base_fee_wei=step.base_fee_wei)
        await decided(stage)
        if stage.open_intents():
            return


async def test_run__bundles__missed_offered_anew_and_landed_and_no_outcome_lost_in_a_kill(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    path = iter(crash(2, steps=20))
    async with Relay(manual_devnet.anvil.rpc) as relay:
        with daemon_stage(manual_devnet, tmp_path) as stage:
            stage.environment |= bundling(stage, relay.url + "#cancels")
            stage.start()
            await decided(stage)
            await market(stage, path, 8)
            assert relay.bundles and len(stage.open_intents()) == len(relay.bundles)

            relay.mood = Mood.IDLE  # the block is another's: what still pays is offered for the next one
            await built(stage, relay)
            assert all(one.block == manual_devnet.chain.block_number() + 1 for one in relay.bundles)
            assert relay.bundles and not relay.included

            relay.mood = Mood.HONEST
            await built(stage, relay)
            assert relay.included

            await market(stage, path, 8)
            stage.kill()
            await relay.build(at_s=manual_devnet.now_s + BLOCK_S)
            stage.start()
            await decided(stage)

            relay.mood = Mood.SILENT
            await market(stage, path, 4)
            for _ in range(4):
                await built(stage, relay)
                relay.mood = Mood.HONEST
            stage.stop()
            journal = stage.journal()
    outcomes = [outcome for _, outcome in journal]
    kinds = {kind: sum(isinstance(one, kind) for one in outcomes) for kind in (Included, Expired, Superseded)}
    print({kind.__name__: count for kind, count in kinds.items()})
    assert None not in outcomes and sum(kinds.values()) == len(outcomes), "and none reverted"
    assert kinds[Included] >= 3 and kinds[Expired] >= 1
    assert all(one.is_private and one.target_block == one.head_number + 1 for one, _ in journal)
    landed = [one.nonce for one, outcome in journal if isinstance(outcome, Included)]
    assert len(landed) == len(set(landed))
    claimed_wei = sum(one.vault_profit_wei for one in outcomes if isinstance(one, Included))
    assert claimed_wei == balance_raw(manual_devnet, manual_devnet.addresses.weth, stage.vault)


async def test_run__bids_learned__the_least_share_of_the_measured_profit_reaches_the_builder(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    path = iter(crash(2, steps=20))
    async with Relay(manual_devnet.anvil.rpc) as relay:
        with daemon_stage(manual_devnet, tmp_path) as stage:
            stage.environment |= bundling(stage, relay.url) | {"KEEPER_BID_BPS": "bundle:500-9000"}
            stage.start()
            await decided(stage)
            await market(stage, path, 8)
            await built(stage, relay)
            await built(stage, relay)
            stage.stop()
            included = [outcome for _, outcome in stage.journal() if isinstance(outcome, Included)]
            with SqliteJournal.open(stage.journal_file, chain_id=31337) as journal:
                auctions = journal.auctions()
    assert included and {auction.won for auction in auctions} == {True}
    assert {auction.bid_bps for auction in auctions} == {500}
    for one in included:
        measured_wei = one.vault_profit_wei + one.tip_wei
        assert one.tip_wei == measured_wei * 500 // 10_000
        block = manual_devnet.anvil.rpc("eth_getBlockByNumber", hex(one.block_number), False)
        assert int(manual_devnet.anvil.rpc("eth_getBalance", block["miner"], "latest"), 16) >= one.tip_wei
