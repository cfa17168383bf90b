"""Requests: what a block costs the endpoint, counted on the wire, at 1,000 to 100,000 accounts.

A request is one HTTP POST; a batch counts once for each six methods in it, as endpoints count. The blocks are
a quiet one, one in which ten or so borrow, and one in which a price and every pool move.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from _bench.benchmark import Benchmark, Sample

if TYPE_CHECKING:
    from keeper.devnet import Devnet
    from keeper.watcher import Watcher

_SIZES = (1_000, 10_000, 100_000)
_METHODS_A_REQUEST = 6
_ACTING = 12
_KINDS = ("quiet", "acting", "moving")


def _samples() -> Iterator[Sample]:
    from keeper.devnet import Devnet

    with Devnet.start(automine=False) as devnet:
        while True:
            most = max(asyncio.run(_most(devnet, accounts)) for accounts in _SIZES)
            yield Sample(most, most)


async def _most(devnet: Devnet, accounts: int) -> int:
    """Return how many requests a block costs at most, with so many accounts more than the devnet has."""
    from keeper.devnet.proxy_thread import ProxyThread
    from keeper.domain.secret import Secret
    from keeper.domain.state import Mined
    from keeper.live.world import LiveWorld
    from keeper.node.endpoint import Endpoint
    from keeper.node.endpoints import Endpoints
    from keeper.query import run

    seen: list[bytes] = []
    with ProxyThread(devnet.anvil.url, hear=seen.append) as proxy:
        endpoints = Endpoints([Endpoint(Secret(proxy.url))])
        try:
            world, watcher = LiveWorld(endpoints), _watcher(devnet)
            most = 0
            for place, kind in enumerate(("first", *_KINDS)):
                _block(devnet, kind)
                head = await endpoints.block("latest")
                seen.clear()
                advance = await run(watcher.advance(head), Mined(hash=head.hash), world)
                watcher.apply(advance)
                if place == 0:
                    _crowd(watcher, accounts)
                    continue
                assert bool(advance.books[0].rows) == (kind == "acting")
                most = max(most, sum(map(_counted, seen)))
            assert sum(len(book.rows) for book in watcher.books) > accounts
            return most
        finally:
            await endpoints.close()


def _counted(body: bytes) -> int:
    asked = json.loads(body)
    return -(-len(asked) // _METHODS_A_REQUEST) if isinstance(asked, list) else 1


def _watcher(devnet: Devnet) -> Watcher:
    """Return a watcher of Aave and Morpho, Uniswap's pools and Aave's flash loans."""
    from keeper.flash.aave_v3 import AaveV3Flash
    from keeper.protocols.aave_v3 import AaveV3
    from keeper.protocols.morpho_blue import MorphoBlue
    from keeper.venues.uniswap_v3 import UniswapV3
    from keeper.watcher import Book, Depths, Watcher

    there = devnet.addresses
    return Watcher(
        books=(
            Book(AaveV3(pool=there.pool), first_block=there.deployment_block),
            Book(MorphoBlue(morpho=there.morpho), first_block=there.morpho_deployment_block, audited=2),
        ),
        depths=(
            Depths(
                UniswapV3(factory=there.factory, router=there.router),
                intermediates=(there.weth, there.tokens["USDC"]),
            ),
        ),
        lenders=(AaveV3Flash(pool=there.pool),),
    )


def _crowd(watcher: Watcher, accounts: int) -> None:
    """Add so many accounts that nobody has to the first book, each like one that somebody has."""
    from keeper.domain.address import Address
    from keeper.domain.position import PositionId

    aave = watcher.books[0]
    like = next(iter(aave.rows.values()))
    name = aave.protocol.name
    aave.add({PositionId(name, Address(b"\xee" * 12 + n.to_bytes(8))): like for n in range(accounts)})


def _block(devnet: Devnet, kind: str) -> None:
    """Mine a block of a kind."""
    from keeper.devnet.aave import compile_aave

    there = devnet.addresses
    if kind == "moving":
        price = devnet.price_base("WETH")
        devnet.market_block({"WETH": price + (1 if price % 2 else -1) * 10**8})
        return
    if kind == "acting":
        pool = devnet.contract(there.pool, compile_aave()["PoolInstance"].interface)
        for borrower in there.borrowers[-_ACTING:]:
            devnet.anvil.rpc("anvil_impersonateAccount", "0x" + borrower.hex())
            devnet.chain.set_balance(borrower, 10**21)
            pool.post("borrow", there.tokens["USDC"], 10**4, 2, 0, borrower, sender=borrower)
    devnet.mine()


BENCHMARK = Benchmark(
    name="requests",
    measures="the most requests that a block costs, of 1,000, 10,000 and 100,000 accounts",
    unit="requests",
    must=3,
    at_least=False,
    samples=_samples,
)
