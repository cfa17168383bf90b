"""What a block costs the endpoint: at most three requests, however many accounts, protocols and venues.

A request is one HTTP POST; a batch counts once for each six methods in it, as endpoints count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from keeper.app.build import assemble
from keeper.config import load
from keeper.devnet import Devnet
from keeper.devnet.aave import compile_aave
from keeper.devnet.faults import Delay
from keeper.devnet.proxy import Proxy
from keeper.devnet.scenario import crash
from keeper.devnet.variables import variables
from keeper.domain.address import Address
from keeper.domain.events import Degraded, Event, Observed, Relinked
from keeper.domain.fixed_point import WAD
from keeper.domain.position import PositionId
from keeper.domain.secret import Secret
from keeper.live.world import LiveWorld
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints
from keeper.planner.options import PlannerOptions
from keeper.ports import NewHead
from keeper.protocols.aave_v3.state import Row
from keeper.watcher import Book
from tests.fork.keeper_stage import aave_book, engine_of, morpho_book, stage
from tests.fork.listing import Listing
from tests.fork.test_engine import sending
from tests.fork.test_morpho_market import ALICE, Acting
from tests.fork.test_watcher import act
from tests.fork.test_watcher_branches import make_pool

MOST = 3
METHODS_A_REQUEST = 6
HEADS = 20


def counted(seen: list[tuple[str, ...]]) -> int:
    return sum(-(-len(methods) // METHODS_A_REQUEST) for methods in seen)


def crowd(like: Row, market: str, accounts: int) -> Iterator[tuple[PositionId, Row]]:
    """Yield positions that nobody has, as healthy as one that somebody has."""
    for n in range(accounts):
        yield PositionId(market, Address(b"\xee" * 12 + n.to_bytes(8, "big"))), like


def block(devnet: Devnet, place: int) -> str:
    """Mine a block of a kind, of each in its turn, and return which."""
    kind = ("quiet", "acting", "moving")[place % 3]
    if kind == "acting":
        for borrower in devnet.addresses.borrowers[-12:]:
            act(devnet, borrower, borrowed="USDC", amount_raw=10**4)
    if kind == "moving":
        price = devnet.price_base("WETH") * (1_001 if place % 2 else 1_002) // 1_000
        devnet.market_block({"WETH": price})
    else:
        devnet.mine()
    return kind


class Markets:
    """What can happen to the devnet's markets, in whichever block comes next."""

    def __init__(self, devnet: Devnet) -> None:
        self._devnet, self._admin = devnet, devnet.market.address
        devnet.anvil.rpc("evm_setAutomine", True)
        self._listing = Listing(devnet, symbol="NEW", decimals=18, price_base=10**8)
        devnet.anvil.rpc("evm_setAutomine", False)
        self._people = Acting(devnet)
        self._created = self._people.params("WETH/USDC", lltv_wad=77 * 10**16)
        self.listed = self._listing.token.address

    def list(self) -> None:
        self._listing.post()

    def configure(self) -> None:
        configurator, weth = self._listing.configurator, self._devnet.addresses.weth
        configurator.post("configureReserveAsCollateral", weth, 60_00, 82_00, 105_00, sender=self._admin)

    def create(self) -> None:
        """Create a market of Morpho's."""
        self._people.posts("createMarket", self._created)

    def borrow_first(self) -> None:
        """Have somebody borrow from that market, who is the first there."""
        admin, people = self._admin, self._people
        usdc = self._devnet.addresses.tokens["USDC"]
        money = self._devnet.contract(usdc, compile_aave()["TestnetERC20"].interface)
        people.wraps(10 * WAD)
        money.post("mint", admin, 10**12, sender=admin)
        money.post("approve", people.morpho, 10**12, sender=admin)
        people.posts("supply", self._created, 10**12, 0, admin, b"", by=admin)
        people.posts("supplyCollateral", self._created, 10 * WAD, ALICE, b"")
        people.posts("borrow", self._created, 10**9, 0, ALICE, ALICE)


@pytest.mark.parametrize("accounts", [0, 100_000])
async def test_step__nothing_is_liquidatable__three_requests_a_block(
    manual_devnet: Devnet, accounts: int
) -> None:
    addresses = manual_devnet.addresses
    options = PlannerOptions(intermediates=(addresses.weth, addresses.tokens["USDC"]))
    audited = 0 if accounts else 2  # of a crowd that is not there an audit finds that it is not
    books = tuple(
        Book(one.protocol, first_block=one.first_block, audited=audited)
        for one in (aave_book(manual_devnet), morpho_book(manual_devnet))
    )
    async with stage(manual_devnet, options, books=books) as on, Proxy(manual_devnet.anvil.url) as proxy:
        await on.engine.observe(await on.head())
        aave = books[0]
        safest = max(aave.healths(at_s=manual_devnet.now_s), key=lambda one: one[2].health_factor_wad)
        aave.add(dict(crowd(safest[1], aave.protocol.name, accounts)))
        endpoints = Endpoints([Endpoint(Secret(proxy.url))])
        engine = engine_of(LiveWorld(endpoints), on.watcher, on.planner, on.heard)
        try:
            await endpoints.chain_id()
            costs = {"quiet": 0, "acting": 0, "moving": 0}
            for place in range(9):
                kind = block(manual_devnet, place)
                head = await on.head()
                proxy.seen.clear()
                await engine.step(NewHead(head=head, seen_at_s=0))
                costs[kind] = max(costs[kind], counted(proxy.seen))
                assert max(map(len, proxy.seen)) <= METHODS_A_REQUEST, proxy.seen
        finally:
            await endpoints.close()
        last = [event for event in on.heard if isinstance(event, Observed)][-1]
        assert last.borrowers >= accounts
        assert last.unhealthy == 0
        print(f"{accounts:,} accounts: {costs}")
        assert max(costs.values()) <= MOST
        assert costs["quiet"] == 1


async def test_step__prices_are_recognised_meanwhile__three_requests_a_block(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    """As the daemon is configured on the devnet: three protocols, two venues, four lenders.

    What prices are made of is looked at over several heads, none of which costs more than it may. Where a
    market is configured it is read whole at that very head, or whom it lets fall would be found a block late;
    what is listed is sold from the heads after it on, once its pools are found and read.
    """
    there, markets = manual_devnet.addresses, Markets(manual_devnet)
    new = markets.listed
    happening = {
        6: lambda: make_pool(manual_devnet, new, there.weth),  # of a token that is nobody's yet
        7: markets.list,
        11: markets.configure,
        13: markets.create,
        15: lambda: make_pool(manual_devnet, new, there.tokens["USDC"]),
        17: markets.borrow_first,
    }
    costs: list[int] = []
    unknown: list[bool] = []
    sold: list[int] = []
    borrowed: list[bool] = []
    async with Proxy(manual_devnet.anvil.url) as proxy:
        (tmp_path / ".env").touch()
        told = variables(manual_devnet) | {"KEEPER_RPC_URLS": proxy.url}
        async with assemble(load(env_file=tmp_path / ".env", environ=told)) as keeper:
            heard: list[Event] = []
            engine = engine_of(keeper.world, keeper.watcher, keeper.planner, heard)
            for place in range(HEADS):
                happening.get(place, lambda: None)()
                block(manual_devnet, place)
                head = await keeper.endpoints.block("latest")
                proxy.seen.clear()
                await engine.step(NewHead(head=head, seen_at_s=0))
                await engine.foretell()
                costs.append(counted(proxy.seen))
                unknown.append(keeper.watcher.pricing.unknown(keeper.watcher.current) != ())
                pools = [pool for one in keeper.watcher.depths for pool in one.pools.values()]
                sold.append(sum(new in pool.tokens for pool in pools))
                positions = [position for book in keeper.watcher.books for position in book.rows]
                borrowed.append(any(position.borrower == ALICE for position in positions))
    print(f"requests a head: {costs}")
    assert not any(isinstance(event, Degraded) for event in heard)
    assert [event.unhealthy for event in heard if isinstance(event, Observed)] == [0] * HEADS
    assert unknown[0] and unknown[7] and not unknown[6] and not unknown[10]
    assert sold == [0] * 9 + [1] * 7 + [2] * (HEADS - 16)
    assert borrowed == [False] * 17 + [True] * (HEADS - 17)
    assert max(costs[1:]) <= MOST


async def test_step__branches_are_left_and_heads_missed__three_requests_a_head(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    """Whatever was on the branch that is left, and whatever comes between two heads that are seen.

    A market that is created and borrowed from within one block is known, with its borrower, at that head.
    """
    markets = Markets(manual_devnet)

    def nothing() -> None: ...

    def create_and_borrow() -> None:
        markets.create()
        markets.borrow_first()

    costs: dict[str, int] = {}
    async with Proxy(manual_devnet.anvil.url) as proxy:
        (tmp_path / ".env").touch()
        told = variables(manual_devnet) | {"KEEPER_RPC_URLS": proxy.url}
        async with assemble(load(env_file=tmp_path / ".env", environ=told)) as keeper:
            heard: list[Event] = []
            engine = engine_of(keeper.world, keeper.watcher, keeper.planner, heard)

            async def seen(what: str) -> None:
                head = await keeper.endpoints.block("latest")
                proxy.seen.clear()
                await engine.step(NewHead(head=head, seen_at_s=0))
                costs[what] = counted(proxy.seen)

            async def block_of(act: Callable[[], None], what: str) -> None:
                act()
                manual_devnet.mine()
                await seen(what)

            await block_of(nothing, "the first")
            for _ in range(6):  # as many heads as are looked back at, and the prices' makings
                await block_of(nothing, "nothing")
                await engine.foretell()
            await block_of(create_and_borrow, "created and borrowed from")
            aave, morpho, *_ = keeper.watcher.books
            assert any(position.borrower == ALICE for position in morpho.rows)
            reserves = len(aave.market.reserves)
            for depth in (1, 3):
                for act, what in (
                    (nothing, "nothing"),
                    (markets.configure, "configured"),
                    (markets.list, "listed"),
                ):
                    await block_of(act, what)
                    assert len(aave.market.reserves) == reserves + (what == "listed")
                    for _ in range(depth - 1):
                        await block_of(nothing, "nothing")
                    manual_devnet.anvil.rpc("anvil_reorg", depth, [])
                    await seen(f"{depth} blocks left: {what}")
                    assert len(aave.market.reserves) == reserves
            manual_devnet.mine()
            await block_of(nothing, "a head missed")
            manual_devnet.mine()
            await block_of(markets.configure, "a head missed, configured")
    print(f"requests a head: {costs}")
    assert not any(isinstance(event, Degraded) for event in heard)
    assert len({event.how.abandoned_blocks for event in heard if isinstance(event, Relinked)}) == 3
    del costs["the first"]
    assert len(costs) == 12
    assert max(costs.values()) <= MOST


@pytest.mark.parametrize("delay_ms", [5, 50])
async def test_step__something_to_send__one_round_trip_from_the_state_to_the_signature(
    manual_devnet: Devnet, tmp_path: Path, delay_ms: int
) -> None:
    """Between the head's being read and its transactions' being sent the endpoint is asked once.

    Nor is it asked more than twice more for each of them.
    """
    async with (
        Proxy(manual_devnet.anvil.url) as proxy,
        sending(manual_devnet, tmp_path, url=proxy.url) as keeper,
    ):
        await keeper.step()  # everything is read
        proxy.add(None, Delay(delay_ms / 1_000))
        rounds: list[list[tuple[str, ...]]] = []
        side_by_side = 0
        for step in crash(seed=7, steps=8):
            manual_devnet.market_block(step.prices_base)
            head = await keeper.on.head()
            proxy.seen.clear()
            proxy.seen_at_s.clear()
            keeper.on.heard.clear()
            began_s = time.monotonic()
            await keeper.step(head)
            took_ms = (time.monotonic() - began_s) * 1_000
            if keeper.sent:
                rounds.append(list(proxy.seen))
                sends = [
                    at_s
                    for at_s, methods in zip(proxy.seen_at_s, proxy.seen, strict=True)
                    if "eth_sendRawTransaction" in methods
                ]
                if len(sends) > 1 and delay_ms == 50:  # one after the other each would wait for an answer
                    side_by_side += 1
                    waits = [later - sooner for sooner, later in pairwise(sorted(sends))]
                    assert sum(wait < delay_ms / 1_000 for wait in waits) * 2 > len(waits), sends
                asked = [methods for methods in proxy.seen if methods != ("eth_getTransactionReceipt",)]
                assert counted(asked) <= MOST + 2 * len(keeper.sent), proxy.seen
                print(f"{delay_ms} ms away: {len(keeper.sent)} sent after {took_ms:.0f} ms")
            if len(rounds) == 2:
                break
            manual_devnet.keeper_block()
            await keeper.step()  # so that no head is missed
        assert len(rounds) == 2
        assert side_by_side or delay_ms < 50
        for seen in rounds:
            simulated = next(place for place, one in enumerate(seen) if "eth_simulateV1" in one)
            sent = next(place for place, one in enumerate(seen) if "eth_sendRawTransaction" in one)
            assert sent == simulated + 1
