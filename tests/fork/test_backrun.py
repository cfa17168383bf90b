"""`keeper run` behind an oracle's update that only a stream tells of, from its settings to the block."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.build import BLOCK_S
from keeper.devnet.drill.audit import audit
from keeper.devnet.drill.stage import DaemonStage, balance_raw, daemon_stage
from keeper.devnet.oracle import Oracle, oracle
from keeper.devnet.relay import Mood, Relay
from keeper.domain.submission import Expired, Included

LIQUIDATION = load("aave_v3_pool").event("LiquidationCall").topic
WITHIN_S = 20.0


def closed(devnet: Devnet, block: int) -> int:
    """Return how many positions of Aave's were liquidated in a block."""
    told = {"fromBlock": hex(block), "toBlock": hex(block), "topics": ["0x" + LIQUIDATION.hex()]}
    return len(devnet.anvil.rpc("eth_getLogs", told))


async def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.02)


@dataclass
class Scene:
    """A keeper that listens to a relay's stream, an oracle, and nobody who mines but the relay."""

    relay: Relay
    stage: DaemonStage
    oracle: Oracle

    async def decided(self) -> None:
        await asyncio.to_thread(self.stage.await_decision)

    async def built(self, *, public: int = 0) -> list[str]:
        """Have the relay build a block, and return its transactions once the keeper has decided upon it.

        So many are in the public pool, none of them the keeper's.
        """
        devnet = self.stage.devnet
        waiting = devnet.anvil.rpc("txpool_content")["pending"]
        assert sum(map(len, waiting.values())) == public, "shown to a public pool"
        number = await self.relay.build(at_s=devnet.now_s + BLOCK_S)
        await self.decided()
        transactions = devnet.anvil.rpc("eth_getBlockByNumber", hex(number), False)["transactions"]
        return [str(one) for one in transactions]

    def sent(self) -> str:
        """Return the hash of the one transaction that is on its way."""
        (one,) = self.stage.open_intents()
        return "0x" + one.hash.hex()

    def asked(self, method: str) -> int:
        return sum(one == method for one, _ in self.relay.received)


@asynccontextmanager
async def scene(devnet: Devnet, folder: Path, **settings: str) -> AsyncIterator[Scene]:
    there = oracle(devnet)
    async with Relay(devnet.anvil.rpc) as relay:
        with daemon_stage(devnet, folder) as stage:
            stage.environment |= {
                "KEEPER_RPC_URLS": f"{stage.environment['KEEPER_RPC_URLS']}#trusted,{devnet.anvil.ws_url}",
                "KEEPER_CHANNELS": "bundle,backrun",
                "KEEPER_BUILDERS": relay.url + "#backruns",
                "KEEPER_MEV_SHARE_URL": relay.url,
                "KEEPER_MAX_ORACLE_DIVERGENCE_BPS": "2500",
            } | settings
            stage.start()
            made = Scene(relay, stage, there)
            await made.decided()
            if "KEEPER_PENDING" not in settings:
                await until(lambda: relay.listeners)
            yield made


async def test_run__a_report_is_told_of_by_its_hash__ours_lands_right_behind_it_and_earns_what_was_predicted(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    answer = 2_600 * 10**8
    bids = {"KEEPER_BID_BPS": "bundle:500-9000,backrun:3000-9000"}
    async with scene(manual_devnet, tmp_path, **bids) as on:
        assert not on.relay.bundles, "nobody has fallen yet"
        update = on.relay.share(on.oracle.signed(answer), on.oracle.hint(answer))
        await until(lambda: on.relay.bundles)
        await until(lambda: len(on.relay.bundles) == len(on.stage.open_intents()))
        ours = on.sent()
        assert await on.built() == [update, ours]
        await on.built()
        on.stage.stop()
        ((one, outcome),) = on.stage.journal()
    assert isinstance(outcome, Included) and one.channels == ("backrun",)
    assert outcome.vault_profit_wei == balance_raw(
        manual_devnet, manual_devnet.addresses.weth, on.stage.vault
    )
    assert outcome.realised_profit_wei == pytest.approx(one.predicted_profit_wei, rel=1e-5)
    assert outcome.tip_wei == (outcome.vault_profit_wei + outcome.tip_wei) * 3000 // 10_000
    assert closed(manual_devnet, outcome.block_number) >= 3, "all that fell are closed by the one transaction"


async def test_run__the_update_never_lands__neither_does_ours_and_the_nonce_is_used_again(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    async with scene(manual_devnet, tmp_path) as on:
        on.relay.mood = Mood.IDLE  # each block is another's
        update = on.oracle.signed(2_600 * 10**8)
        on.relay.share(update, on.oracle.hint(2_600 * 10**8))
        for _ in range(2):  # offered anew for each block, behind the same hash
            block = manual_devnet.chain.block_number() + 1
            await until(lambda block=block: {one.block for one in on.relay.bundles} == {block})
            await until(lambda: len(on.relay.bundles) == len(on.stage.open_intents()))
            assert await on.built() == []
        on.relay.mood = Mood.HONEST
        on.relay.shared.clear()  # who told of it wants it no more
        assert await on.built() == []
        missed = on.stage.journal()

        on.oracle.aggregator.post("transmit", 2_600 * 10**8, sender=manual_devnet.market.address)
        await on.relay.build(at_s=manual_devnet.now_s + BLOCK_S)
        await on.decided()
        assert on.asked("eth_sendBundle")
        assert await on.built()
        await on.built()
        on.stage.stop()
        landed = [one for one, outcome in on.stage.journal() if isinstance(outcome, Included)]
    assert missed and {one.channels for one, _ in missed} == {("backrun",)}
    assert {type(outcome) for _, outcome in missed if outcome is not None} == {Expired}
    assert landed and {one.channels for one in landed} == {("bundle",)}
    assert min(one.nonce for one in landed) == min(one.nonce for one, _ in missed)


@pytest.mark.parametrize("lands", [True, False])
async def test_run__killed_with_a_backrun_on_its_way__the_next_one_finds_out_and_goes_on(
    lands: bool, manual_devnet: Devnet, tmp_path: Path
) -> None:
    answer = 2_600 * 10**8
    async with scene(manual_devnet, tmp_path) as on:
        on.relay.mood = Mood.HONEST if lands else Mood.IDLE
        update = on.relay.share(on.oracle.signed(answer), on.oracle.hint(answer))
        await until(lambda: on.relay.bundles)
        ours = on.sent()
        await asyncio.to_thread(on.stage.kill)
        await on.relay.build(at_s=manual_devnet.now_s + BLOCK_S)
        on.relay.mood = Mood.HONEST
        on.stage.start()
        await on.decided()
        if not lands:
            assert on.relay.shared, "the report is told of once, and lands alone"
            assert (await on.built())[0] == update
            assert await on.built(), "ours comes in the block after"
        await on.built()
        await on.built()
        on.stage.stop()
        found = audit(on.stage, left_in_pool=())
        journal = on.stage.journal()
    assert found.is_sound and found.included >= 1, found.findings
    (first, outcome), *_ = journal
    assert "0x" + first.hash.hex() == ours and first.channels == ("backrun",)
    assert isinstance(outcome, Included) is lands
    if not lands:
        assert min(one.nonce for one, told in journal if isinstance(told, Included)) == first.nonce


async def test_run__a_report_is_pending_in_public__ours_lands_right_behind_it_in_a_bundle_with_it(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    bundles = {"KEEPER_CHANNELS": "bundle", "KEEPER_MEV_SHARE_URL": "", "KEEPER_PENDING": "true"}
    async with scene(manual_devnet, tmp_path, **bundles) as on:
        update = on.oracle.aggregator.post("transmit", 2_600 * 10**8, sender=manual_devnet.market.address)
        await until(lambda: on.relay.bundles)
        await until(lambda: len(on.relay.bundles) == len(on.stage.open_intents()))
        first, *others = await on.built(public=1)
        assert first == update
        await on.built()
        on.stage.stop()
        journal = on.stage.journal()
    landed = [(one, outcome) for one, outcome in journal if isinstance(outcome, Included)]
    assert landed and others[: len(landed)] == ["0x" + one.hash.hex() for one, _ in landed]
    assert {one.channels for one, _ in landed} == {("bundle",)}
    for one, outcome in landed:
        assert outcome.realised_profit_wei == pytest.approx(one.predicted_profit_wei, rel=1e-3)
