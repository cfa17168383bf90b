"""What ``keeper devnet`` does: a devnet alone, for anybody's keeper to be pointed at, until it is stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keeper.devnet import scenario
from keeper.devnet.accounts import MNEMONIC
from keeper.devnet.borrowers import LEAST
from keeper.devnet.build import BORROWERS, CHAIN_ID, SEED
from keeper.devnet.devnet import Devnet
from keeper.devnet.variables import variables
from keeper.domain.address import checksum
from keeper.domain.errors import ConfigError

PORT = 8545


def run(
    *,
    seed: int = SEED,
    borrowers: int = BORROWERS,
    port: int = PORT,
    prices: Path | None = None,
    block_s: float = 4.0,
    say: Callable[[str], None] = print,
) -> int:
    """Run a devnet until Ctrl-C or SIGTERM, `say` how to connect, and return the exit code.

    A block is mined every `block_s` seconds: the market's and the keeper's in turn, along the path of the CSV
    `prices` (see `keeper.devnet.scenario`), else along a crash drawn from the seed; plain ones afterwards.
    Raises ConfigError where the CSV is none or the borrowers too few, AnvilError, CompileError.
    """
    path = _path(prices, seed)
    if borrowers < LEAST:
        raise ConfigError(f"--borrowers: {borrowers} is too few for every kind to come up: at least {LEAST}")
    with (
        _stopped_by_signals() as stopped,
        Devnet.start(seed=seed, borrowers=borrowers, port=port, automine=False) as devnet,
    ):
        for line in lines(devnet):
            say(line)
        say(f"The market moves in {len(path)} steps; a block is mined every {block_s:g} s. Ctrl-C ends it.")
        _move(devnet, path, block_s=block_s, stopped=stopped, say=say)
    return 0


def lines(devnet: Devnet) -> Iterator[str]:
    """Yield what somebody needs to connect: the endpoint, the contracts, the keys that everybody knows."""
    there = devnet.addresses
    borrowers = len(there.borrowers) + len(there.morpho_borrowers)
    yield f"Devnet: Aave V3.6, Morpho Blue and Uniswap V3, {borrowers} borrowers, chain id {CHAIN_ID}"
    yield f"  HTTP       {devnet.anvil.url}"
    yield f"  WebSocket  {devnet.anvil.ws_url}"
    yield f"  Aave       pool {checksum(there.pool)}, since block {there.deployment_block}"
    yield f"             oracle {checksum(there.oracle)}, provider {checksum(there.provider)}"
    yield f"  Morpho     {checksum(there.morpho)}, since block {there.morpho_deployment_block}"
    for pair, id_ in there.morpho_ids.items():
        yield f"             {pair:12} 0x{id_.hex()}"
    yield f"             pre-liquidation factory {checksum(there.pre_factory)}, a stand-in"
    yield f"  Uniswap    factory {checksum(there.factory)}, QuoterV2 {checksum(there.quoter)}"
    yield f"             SwapRouter02 {checksum(there.router)}"
    yield f"  Multicall3 {checksum(there.multicall3)}"
    for symbol, token in there.tokens.items():
        yield f"  {symbol:10} {checksum(token)}, feed {checksum(there.feeds[symbol])}"
    yield f"  Accounts   of the public mnemonic “{MNEMONIC}”:"
    for who in ("owner", "operator", "rival"):
        yield f"             {who:9}{checksum(getattr(devnet, who).address)}"
    yield "For your .env:"
    yield ""
    for name, value in variables(devnet).items():
        yield f"{name}={value}"
    yield f"KEEPER_PRIVATE_KEY=0x{devnet.operator.private_key.hex()}"
    yield ""


def _path(prices: Path | None, seed: int) -> scenario.Path:
    if prices is None:
        return scenario.crash(seed)
    try:
        with open(prices, newline="") as file:
            return scenario.read_csv(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--prices: {error}") from None


def _move(
    devnet: Devnet,
    path: scenario.Path,
    *,
    block_s: float,
    stopped: threading.Event,
    say: Callable[[str], None],
) -> None:
    """Rest for a block, play the path, then mine plain blocks, until stopped."""
    if stopped.wait(block_s):
        return
    for step in scenario.play(devnet, path, rest=lambda: stopped.wait(block_s)):
        prices = ", ".join(f"{symbol} ${price / 1e8:,.2f}" for symbol, price in step.prices_base.items())
        say(f"block {devnet.chain.block_number()}: {prices}")
        if stopped.wait(block_s):
            return
    while not stopped.wait(block_s):
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
