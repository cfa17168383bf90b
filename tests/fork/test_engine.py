"""The engine with everything behind it, on a chain that does not do it the favour of being regular."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from keeper.channels.public import PublicChannel
from keeper.devnet import Devnet
from keeper.devnet.scenario import crash
from keeper.domain.declined import Declined, Reason
from keeper.domain.events import Concluded, Decided, Degraded, Left, Overtaken, Planned, Sent
from keeper.domain.head import Head
from keeper.domain.observation import Observation
from keeper.domain.plan import Plan
from keeper.domain.position import Opportunity, PositionId
from keeper.domain.state import StateRef
from keeper.domain.submission import Included, Submission
from keeper.domain.token_rules import ALL_ATOMIC, TokenRules
from keeper.engine import Engine, Pace
from keeper.keys import ExecutorSigner, SigningKey, SigningLimits
from keeper.live import Lander, LiveWorld
from keeper.planner.options import PlannerOptions
from keeper.planner.planner import Planner
from keeper.planner.proposal import Proposal
from keeper.ports import Doubted, Guard, NewHead, Signal, World
from keeper.query import Answer, Ask, Simulate
from keeper.store import SqliteJournal
from tests.fork.keeper_stage import Stage, stage

pytestmark = pytest.mark.asyncio

CHAIN_ID = 31_337


@dataclass(slots=True)
class Sending:
    """A keeper that sends, driven head by head."""

    on: Stage
    engine: Engine

    async def step(self, head: Head | None = None) -> None:
        """Let the keeper take in a head, the newest where none is given."""
        await self.engine.step(NewHead(head=head or await self.on.head(), seen_at_s=0))

    async def send(self) -> tuple[Submission, ...]:
        """Let the market fall until something is sent; return what was."""
        for step in crash(seed=7, steps=8):
            self.on.devnet.market_block(step.prices_base)
            await self.step()
            if self.sent:
                return self.sent
        pytest.fail("nothing was sent")

    @property
    def sent(self) -> tuple[Submission, ...]:
        return in_order(event.submission for event in self.on.heard if isinstance(event, Sent))

    @property
    def included(self) -> tuple[Submission, ...]:
        return in_order(
            event.submission
            for event in self.on.heard
            if isinstance(event, Concluded) and isinstance(event.outcome, Included)
        )


def in_order(submissions: Iterable[Submission]) -> tuple[Submission, ...]:
    """Return submissions head by head, those of one by their nonces: they are told of as answers come in."""
    return tuple(sorted(submissions, key=lambda one: (one.head_number, one.nonce)))


@asynccontextmanager
async def sending(
    devnet: Devnet,
    folder: Path,
    *,
    world: Callable[[World], World] = lambda live: live,
    guard: Guard | None = None,
    url: str | None = None,
    tokens: TokenRules = ALL_ATOMIC,
) -> AsyncIterator[Sending]:
    """Yield a keeper that sends; `world` is what it sees the chain through, and `url` where that is read."""
    addresses = devnet.addresses
    options = PlannerOptions(intermediates=(addresses.weth, addresses.tokens["USDC"]), tokens=tokens)
    key = SigningKey(devnet.operator.private_key)
    limits = SigningLimits(chain_id=CHAIN_ID, max_fee_per_gas_wei=options.max_fee_per_gas_wei)
    async with stage(devnet, options, url=url) as on:
        executor = on.planner.desk.executor
        with SqliteJournal.open(folder / "journal.sqlite", chain_id=CHAIN_ID) as journal:
            lander = Lander(
                endpoints=on.endpoints,
                channels=(PublicChannel(),),
                signer=ExecutorSigner(key, limits=limits, executor=executor),
                journal=journal,
                executor=executor,
                vault=on.vault,
                chain_id=CHAIN_ID,
                max_fee_per_gas_wei=options.max_fee_per_gas_wei,
            )
            await lander.recover(await on.head())
            engine = Engine(
                world=world(LiveWorld(on.endpoints)),
                watcher=on.watcher,
                planner=on.planner,
                journal=journal,
                landing=lander,
                guard=guard,
                listen=on.heard.append,
                clock=lambda: 0.0,
                pace=Pace(block_time_s=12, deadline_s=24, max_head_age_s=10**12),
            )
            yield Sending(on=on, engine=engine)


def late_by_a_block(devnet: Devnet, submissions: Sequence[Submission]) -> None:
    """Mine a block without these transactions, and then one with them."""
    for one in submissions:
        devnet.anvil.rpc("anvil_dropTransaction", "0x" + one.hash.hex())
    devnet.mine()
    for one in submissions:
        devnet.anvil.rpc("eth_sendRawTransaction", "0x" + one.transaction.raw.hex())


async def test_step__the_chain_is_a_block_ahead_and_has_it__not_sent_again(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    async with sending(manual_devnet, tmp_path) as keeper:
        sent = await keeper.send()
        late_by_a_block(manual_devnet, sent)
        behind = await keeper.on.head()
        manual_devnet.mine()
        await keeper.step(behind)
        assert keeper.sent == sent
        assert not keeper.included
        await keeper.step()
        assert keeper.included == keeper.sent == sent


async def test_step__a_reorg_takes_back_what_was_included__sent_again_with_the_same_nonces(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    async with sending(manual_devnet, tmp_path) as keeper:
        sent = await keeper.send()
        manual_devnet.mine()
        await keeper.step()
        assert keeper.included == sent
        manual_devnet.anvil.rpc("anvil_reorg", 1, [])
        await keeper.step()
        again = keeper.sent[len(sent) :]
        assert [one.nonce for one in again] == [one.nonce for one in sent]
        manual_devnet.mine()
        await keeper.step()
        assert keeper.included == (*sent, *again)


async def test_step__transactions_stuck_past_their_deadline__replaced_by_new_plans_that_land(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    rpc = manual_devnet.anvil.rpc
    async with sending(manual_devnet, tmp_path) as keeper:
        sent = await keeper.send()
        for one in sent:
            rpc("anvil_dropTransaction", "0x" + one.hash.hex())
        for _ in range(4):
            manual_devnet.mine()
        for one in sent:  # the node has them again, in no block, and too late to do anything
            rpc("eth_sendRawTransaction", "0x" + one.transaction.raw.hex())
        await keeper.step()
        again = keeper.sent[len(sent) :]
        assert [one.nonce for one in again] == [one.nonce for one in sent]
        assert all(
            new.fees.max_priority_fee_per_gas_wei >= old.fees.max_priority_fee_per_gas_wei * 11 // 10
            for new, old in zip(again, sent, strict=True)
        )
        manual_devnet.mine()
        await keeper.step()
        assert keeper.included == again


async def test_step__the_operator_can_pay_for_one__sends_one_and_says_why_not_more(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    async with sending(manual_devnet, tmp_path) as keeper:
        operator = manual_devnet.operator.address
        manual_devnet.chain.set_balance(operator, 0)
        plans: list[Planned] = []
        for step in crash(seed=7, steps=8):
            manual_devnet.market_block(step.prices_base)
            keeper.on.heard.clear()
            await keeper.step()
            plans = [event for event in keeper.on.heard if isinstance(event, Planned)]
            if len(plans) >= 2:
                break
        assert len(plans) >= 2 and not keeper.sent
        first = plans[0].plan.fees
        manual_devnet.chain.set_balance(operator, first.gas_limit * first.max_fee_per_gas_wei)
        keeper.on.heard.clear()
        await keeper.step()
        assert len(keeper.sent) == 1
        left = [event.why.reason for event in keeper.on.heard if isinstance(event, Left)]
        assert left.count(Reason.NO_GAS) == len(plans) - 1


@dataclass(slots=True)
class BackingOff:
    """A guard that lets everything through, but nothing of one position."""

    position: PositionId | None = None

    def look(self) -> None:
        pass

    def backing_off(self, position: PositionId) -> Declined | None:
        return Declined(reason=Reason.BACKING_OFF, detail="it failed") if position == self.position else None

    def refuses(self, *, in_flight: int) -> Declined | None:
        return None

    def concluded(self, concluded: Concluded) -> None:
        pass


async def test_decide__a_borrower_backs_off__the_others_do_not_count_on_what_its_plan_would_leave(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    guard = BackingOff()
    async with sending(manual_devnet, tmp_path, guard=guard) as keeper:
        for step in crash(seed=7, steps=8):
            manual_devnet.market_block(step.prices_base)
            seen = await keeper.engine.observe(await keeper.on.head())
            plans = [
                one.decision for one in await keeper.engine.decide(seen) if isinstance(one.decision, Plan)
            ]
            if len(plans) >= 2 and plans[0].draft.pools & plans[1].draft.pools:
                break
        else:
            pytest.fail("no two plans shared a pool")
        first, second = plans[0].draft, plans[1].draft
        guard.position = first.position
        decided = {one.opportunity.position: one.decision for one in await keeper.engine.decide(seen)}
        why, again = decided[first.position], decided[second.position]
        assert isinstance(why, Declined) and why.reason is Reason.BACKING_OFF
        without = replace(
            seen, opportunities=tuple(one for one in seen.opportunities if one.position != first.position)
        )
        alone = {one.opportunity.position: one.decision for one in await keeper.engine.decide(without)}
        assert isinstance(again, Plan) and again == alone[second.position]
        assert again.draft.waterfall.vault_wei != second.waterfall.vault_wei


async def test_decide__several_borrowers__others_go_on_between_two_of_them(
    manual_devnet: Devnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, at_each = 0, list[int]()
    proposing = Planner.proposing

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def counted(self: Planner, seen: Observation, opportunities: Sequence[Opportunity]) -> Iterator[Proposal]:
        for proposal in proposing(self, seen, opportunities):
            at_each.append(turns)
            yield proposal

    monkeypatch.setattr(Planner, "proposing", counted)
    async with sending(manual_devnet, tmp_path) as keeper:
        *_, last = crash(seed=7, steps=8)
        manual_devnet.market_block(last.prices_base)
        seen = await keeper.engine.observe(await keeper.on.head())
        other = asyncio.create_task(somebody_else())
        await keeper.engine.decide(seen)
        other.cancel()
    assert len(at_each) == len(seen.opportunities) >= 3
    assert len(set(at_each)) == len(at_each)


class Doubting:
    """A World that doubts its first head while a decision upon that is simulated, and no other."""

    def __init__(self, world: World, heads: asyncio.Queue[Head]) -> None:
        self._world = world
        self._heads = heads
        self._simulating = asyncio.Event()
        self._heard = asyncio.Event()

    async def signals(self) -> AsyncIterator[Signal]:
        first = await self._heads.get()
        yield NewHead(head=first, seen_at_s=0)
        await self._simulating.wait()
        yield Doubted(head=first, why="another endpoint has another block")
        self._heard.set()
        while True:
            yield NewHead(head=await self._heads.get(), seen_at_s=0)

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        if any(isinstance(ask, Simulate) for ask in asks):
            self._simulating.set()
            await self._heard.wait()
        return await self._world.answer(asks, at)


async def test_follow__another_endpoint_doubts_the_head_in_mid_decision__dropped_and_the_next_sent_upon(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    heads: asyncio.Queue[Head] = asyncio.Queue()
    stop = asyncio.Event()
    async with sending(manual_devnet, tmp_path, world=lambda live: Doubting(live, heads)) as keeper:
        for step in crash(seed=7, steps=8):
            manual_devnet.market_block(step.prices_base)

        async def until(kind: type[Overtaken | Decided]) -> None:
            while not any(isinstance(event, kind) for event in keeper.on.heard):
                await asyncio.sleep(0.01)

        following = asyncio.create_task(keeper.engine.follow(stop))
        heads.put_nowait(await keeper.on.head())
        await until(Overtaken)
        assert [event.what for event in keeper.on.heard if isinstance(event, Degraded)] == [
            f"head {(await keeper.on.head()).number} is doubted"
        ]
        assert not keeper.sent
        manual_devnet.mine()
        heads.put_nowait(await keeper.on.head())
        await until(Decided)
        assert keeper.sent
        stop.set()
        await following
