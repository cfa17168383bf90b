"""What ``keeper devnet`` does: a devnet alone, for anybody's keeper to be pointed at, until it is stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keeper.devnet import scenario
from keeper.devnet.accounts import MNEMONIC
from keeper.devnet.build import BORROWERS, CHAIN_ID, SEED
from keeper.devnet.devnet import Devnet
from keeper.domain.address import checksum

PORT = 8545
CRASH = "crash"
"""The name of the market drawn from the seed."""


def run(
    *,
    seed: int = SEED,
    borrowers: int = BORROWERS,
    port: int = PORT,
    market: str | None = None,
    every_s: float = 6.0,
    say: Callable[[str], None] = print,
) -> None:
    """Run a devnet until Ctrl-C or SIGTERM, and `say` how to connect.

    Without a `market` every transaction is mined at once and prices rest. With one, `crash` or the name of a
    CSV (see `keeper.devnet.scenario`), a block is mined every `every_s` seconds: the market's and the
    keeper's in turn, and plain ones when the path has ended.
    Raises PathError, OSError, AnvilError, CompileError.
    """
    path = None if market is None else _path(market, seed)
    with (
        _stopped_by_signals() as stopped,
        Devnet.start(seed=seed, borrowers=borrowers, port=port, automine=path is None) as devnet,
    ):
        for line in lines(devnet):
            say(line)
        if path is None:
            say("Every transaction is mined at once. Ctrl-C ends it.")
            stopped.wait()
        else:
            say(f"The market moves in {len(path)} steps, a block every {every_s:g} s. Ctrl-C ends it.")
            _move(devnet, path, every_s=every_s, stopped=stopped, say=say)


def lines(devnet: Devnet) -> Iterator[str]:
    """Yield what somebody needs to connect: the endpoint, the contracts, the keys that everybody knows."""
    there = devnet.addresses
    yield f"Devnet: Aave V3.6 and Uniswap V3, {len(there.borrowers)} borrowers, chain id {CHAIN_ID}"
    yield f"  HTTP       {devnet.anvil.url}"
    yield f"  WebSocket  {devnet.anvil.ws_url}"
    yield f"  Aave       pool {checksum(there.pool)}, since block {there.deployment_block}"
    yield f"             oracle {checksum(there.oracle)}, provider {checksum(there.provider)}"
    yield f"  Uniswap    factory {checksum(there.factory)}, QuoterV2 {checksum(there.quoter)}"
    yield f"             SwapRouter02 {checksum(there.router)}"
    yield f"  Multicall3 {checksum(there.multicall3)}"
    for symbol, token in there.tokens.items():
        yield f"  {symbol:10} {checksum(token)}, feed {checksum(there.feeds[symbol])}"
    yield f"  Accounts   of the public mnemonic “{MNEMONIC}”:"
    for who in ("owner", "operator", "rival"):
        yield f"             {who:9}{checksum(getattr(devnet, who).address)}"
    yield "For .env:"
    yield f"  KEEPER_RPC_URLS={devnet.anvil.url}"
    yield f"  KEEPER_MARKETS=aave-v3:{checksum(there.pool)}"
    yield f"  KEEPER_PRIVATE_KEY=0x{devnet.operator.private_key.hex()}"


def _path(market: str, seed: int) -> scenario.Path:
    if market == CRASH:
        return scenario.crash(seed)
    with open(Path(market), newline="") as file:
        return scenario.read_csv(file)


def _move(
    devnet: Devnet,
    path: scenario.Path,
    *,
    every_s: float,
    stopped: threading.Event,
    say: Callable[[str], None],
) -> None:
    """Play the path, then mine plain blocks, one every so many seconds, until stopped."""
    for step in scenario.play(devnet, path, rest=lambda: stopped.wait(every_s)):
        prices = ", ".join(f"{symbol} ${price / 1e8:,.2f}" for symbol, price in step.prices_base.items())
        say(f"block {devnet.chain.block_number()}: {prices}")
        if stopped.wait(every_s):
            return
    while not stopped.wait(every_s):
        devnet.mine()


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set, while the block lasts."""
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
