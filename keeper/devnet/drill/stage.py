"""A keeper that runs as a process of its own, and proxies between it and its devnet: it lives several times.

Everything is done from outside: what it asks passes the proxy, what it says is its log, and its journal is
read as a copy, so that what it left half written is its successor's to find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from keeper.abi import load, uint
from keeper.devnet.demo.daemon import Daemon
from keeper.devnet.devnet import Devnet
from keeper.devnet.keeper_contracts import deploy
from keeper.devnet.proxy_thread import ProxyThread
from keeper.devnet.scenario import Step
from keeper.devnet.variables import variables
from keeper.devnet.written import Lines, journal_file, written
from keeper.domain.address import Address, checksum
from keeper.domain.submission import Submission

DEADLINE_S = 24
_MOST_BLOCKS = 10
"""By then everything has come to its outcome, deadlines and second tries included."""


def never() -> bool:
    return False


@dataclass(slots=True)
class DaemonStage:
    """What a test plays on, or a drill."""

    devnet: Devnet
    proxies: tuple[ProxyThread, ...]
    """One for each endpoint that the keeper knows of, the preferred one first."""
    vault: Address
    executor: Address
    folder: Path
    environment: dict[str, str]
    first_block: int
    """Nothing of the keeper's is older."""
    module: tuple[str, ...] = ("keeper",)
    """What Python runs as the `keeper` command, with its first arguments."""
    _living: Daemon | None = field(default=None)

    @property
    def proxy(self) -> ProxyThread:
        """Return the one that the keeper prefers."""
        return self.proxies[0]

    # --- the keeper -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, on the journal that those before it left."""
        assert self._living is None
        self._living = Daemon(self.environment, self.folder, module=self.module)

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        assert self._living is not None
        self._living.kill()
        self._living = None

    def stop(self) -> None:
        """Ask it to end, where it runs."""
        if self._living is not None:
            self._living.stop()
            self._living = None

    @property
    def living(self) -> Daemon:
        """Return the one that runs."""
        assert self._living is not None
        return self._living

    @property
    def is_alive(self) -> bool:
        """Return whether one runs."""
        return self._living is not None

    @property
    def state(self) -> Path:
        """Return where it keeps what outlives it."""
        return self.folder / "state"

    @property
    def journal_file(self) -> Path:
        """Return its journal, which may not be there yet."""
        return journal_file(self.state)

    def await_decision(self, unless: Callable[[], bool] = never) -> None:
        """Wait until it has decided upon the chain's head, unless something else comes about first."""
        assert self._living is not None
        head = self.devnet.chain.block_number()
        self._living.until(
            lambda line: line["event"] == "decided" and line["head"]["number"] >= head, interrupted=unless
        )

    def journal(self) -> Lines:
        """Return everything that was ever intended, each with its outcome where it has one."""
        return written(self.state)

    def open_intents(self) -> tuple[Submission, ...]:
        """Return what was intended and has no outcome yet."""
        return tuple(submission for submission, outcome in self.journal() if outcome is None)

    # --- the chain ------------------------------------------------------------------------------------------

    def play(self, path: Iterable[Step]) -> Iterator[None]:
        """Mine a block at each turn: the market's, and after it those that `rest` takes."""
        for step in path:
            self.devnet.market_block(step.prices_base, base_fee_wei=step.base_fee_wei)
            yield
            yield from self.rest()

    def rest(self) -> Iterator[None]:
        """Mine a block at each turn, until everything that was intended has come to its outcome."""
        for _ in range(_MOST_BLOCKS):
            if not self.open_intents():
                return
            self.devnet.keeper_block()
            yield
        nonces = [one.nonce for one in self.open_intents()]
        raise AssertionError(f"still open after {_MOST_BLOCKS} blocks: nonces {nonces}")

    def knows(self, submission: Submission) -> bool:
        """Return whether the node has a transaction, in a block or waiting for one."""
        return self.devnet.anvil.rpc("eth_getTransactionByHash", _hex(submission.hash)) is not None


@contextmanager
def daemon_stage(
    devnet: Devnet, folder: Path, *, protocols: tuple[str, ...] = ("aave-v3",), endpoints: int = 1
) -> Iterator[DaemonStage]:
    """Yield a keeper that is set up for a devnet that mines when it is told to, and does not run yet.

    It watches what the devnet has of these protocols, through so many endpoints: all are the devnet's own.
    """
    with ExitStack() as stack:
        proxies = tuple(stack.enter_context(ProxyThread(devnet.anvil.url)) for _ in range(endpoints))
        executor, vault = deploy(devnet)
        known = variables(devnet)
        markets = known["KEEPER_MARKETS"].split(",")
        environment = known | {
            "KEEPER_RPC_URLS": ",".join(proxy.url for proxy in proxies),
            "KEEPER_MARKETS": ",".join(one for one in markets if one.partition(":")[0] in protocols),
            "KEEPER_EXECUTOR": checksum(executor),
            "KEEPER_VAULT": checksum(vault),
            "KEEPER_PRIVATE_KEY": _hex(devnet.operator.private_key),
            "KEEPER_STATE_DIR": str(folder / "state"),
            "KEEPER_DEADLINE_S": str(DEADLINE_S),
            "KEEPER_POLL_INTERVAL_S": "0.05",
            "KEEPER_LOG_FORMAT": "json",
            "KEEPER_LOG_LEVEL": "debug",
        }
        made = DaemonStage(
            devnet=devnet,
            proxies=proxies,
            vault=vault,
            executor=executor,
            folder=folder,
            environment=environment,
            first_block=devnet.chain.block_number() + 1,
        )
        try:
            yield made
        finally:
            made.stop()


def balance_raw(devnet: Devnet, token: Address, holder: Address) -> int:
    """Return what somebody holds of a token, by the token itself."""
    return uint(devnet.chain.call(token, load("erc20").function("balanceOf").encode(holder)))


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
