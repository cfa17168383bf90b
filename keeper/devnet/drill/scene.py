"""Where a drill takes place: a crashing market, a keeper that works on it, and verbs for whatever goes wrong.

Blocks come in turns: one in which the market moves, one that is the keeper's. Where it sends bundles, those
are a relay's to build; the market's are somebody else's. Where it sends backruns, the price of Ether is
reported in a block after these, which the relay builds too: it tells of the report before, and pools follow
with the market's next block.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

from keeper.devnet.background import Background
from keeper.devnet.build import BLOCK_S
from keeper.devnet.demo.log import Line
from keeper.devnet.devnet import Devnet
from keeper.devnet.drill.stage import DaemonStage, daemon_stage, never
from keeper.devnet.oracle import Oracle, oracle
from keeper.devnet.relay import Mood, Relay
from keeper.devnet.scenario import Step, crash
from keeper.node.blocking_rpc import RpcError

CONFIRMATIONS = 2
"""So many blocks the keeper waits for."""
DEEPEST = 4
"""No more blocks than that are taken back."""
_PROTOCOLS = ("aave-v3", "morpho", "morpho-pre")
_STARTS_WITHIN_S = 100.0
_AS_THE_RELAY_ORDERS = ("--order", "fifo")
_FORESEES_WITHIN_S = 1.0
_OFFERS_WITHIN_S = 5.0
"""How long a report is waited with, for the keeper to see whom it lets fall, and to come right behind it."""


class Way(StrEnum):
    """How the keeper's transactions come into a block."""

    PUBLIC = "public"
    BUNDLE = "bundle"
    BACKRUN = "backrun"


@dataclass(slots=True)
class Scene:
    """One act of a drill."""

    stage: DaemonStage
    random: Random
    clock: Path
    """What it says there, in seconds, is what the keeper's clock is wrong by."""
    relay: Relay | None
    oracle: Oracle | None
    """Who reports the price of Ether, where that is told of before."""
    _background: Background
    _path: Iterator[Step]
    blocks: int = 0
    """So many were mined."""
    _market_moved: bool = False
    _unreported_base: int | None = None
    """The price of Ether that the oracle has yet to report: USD, eight decimals."""
    _decided_upon: str = ""
    """The hash of the head that the keeper decided upon last."""

    # --- blocks ---------------------------------------------------------------------------------------------

    def block(self) -> None:
        """Mine the next block: the market's, the keeper's, or the report of what was told of, in turns."""
        reports = self._unreported_base is not None and not self._market_moved
        step = None if self._market_moved or reports else next(self._path, None)
        self._market_moved = step is not None
        devnet = self.stage.devnet
        if step is not None:
            devnet.market_block(self._moved(step.prices_base), base_fee_wei=step.base_fee_wei)
        elif self.relay is not None:
            if reports:
                self._report(self.relay)
            self._background.run(self.relay.build(at_s=devnet.now_s + BLOCK_S))
        else:
            devnet.keeper_block()
        self.blocks += 1

    def _moved(self, prices_base: Mapping[str, int]) -> Mapping[str, int]:
        """Return the prices of the market's block: Ether's is as it was reported last."""
        if self.oracle is None:
            return prices_base
        self._unreported_base = prices_base.get("WETH", self._unreported_base)
        return {**prices_base, "WETH": self.oracle.price_base()}

    def _report(self, relay: Relay) -> None:
        """Have the oracle report in the next block, and the keeper come right behind it where it can."""
        oracle, price_base = self.oracle, self._unreported_base
        assert oracle is not None and price_base is not None
        self._unreported_base = None
        relay.shared.clear()  # what was not included is reported no more
        update, told = oracle.signed(price_base), oracle.hint(price_base)
        self._background.call(lambda: relay.share(update, told))
        if not self.stage.is_alive:
            return

        def foreseen(line: Line) -> bool:
            return line["event"] == "foreseen" and bool(line["positions"])

        def offered() -> bool:
            return any(one.is_backrun for one in relay.bundles)

        if self._hears(foreseen, unless=offered, within_s=_FORESEES_WITHIN_S):
            self._hears(lambda line: False, unless=offered, within_s=_OFFERS_WITHIN_S)

    def rests(self) -> None:
        """Let the market move no more, and the keeper send no more: what is on its way comes to its end."""
        self._path = iter(())
        self._unreported_base = None
        (self.stage.state / "kill").touch()

    def decided(self, *, within_s: float) -> bool:
        """Return whether the keeper has decided upon the head by then."""
        head = str(self._rpc("eth_getBlockByNumber", "latest", False)["hash"])
        return self._decided_upon == head or self._hears(
            lambda line: self._decided_upon == head, within_s=within_s
        )

    def _hears(
        self, what: Callable[[Line], bool], *, within_s: float, unless: Callable[[], bool] = never
    ) -> bool:
        """Return whether the keeper says something by then, unless something else comes about first."""
        ends_s = time.monotonic() + within_s
        said = False

        def is_it(line: Line) -> bool:
            nonlocal said
            if line["event"] == "decided":
                self._decided_upon = str(line["head"]["hash"])
            said = what(line)
            return said

        self.stage.living.until(is_it, interrupted=lambda: unless() or time.monotonic() > ends_s)
        return said

    @property
    def head(self) -> int:
        """Return the head's number."""
        return self.stage.devnet.chain.block_number()

    # --- the keeper -----------------------------------------------------------------------------------------

    def restart(self) -> None:
        """Start the keeper, where it was killed, and wait until it works."""
        self.stage.start()
        self.decided(within_s=_STARTS_WITHIN_S)

    def mood(self, mood: Mood) -> None:
        """Have the relay behave so."""
        assert self.relay is not None
        self.relay.mood = mood

    # --- what is the keeper's on the chain ------------------------------------------------------------------

    def pending(self) -> dict[str, str]:
        """Return the keeper's transactions in the public pool, raw, by their hashes."""
        return {one: self._rpc("eth_getRawTransactionByHash", one) for one in self._pooled("pending")}

    def evict(self) -> None:
        """Take out of the pool what waits behind a gap of nonces, as nodes do some day."""
        for one in self._pooled("queued"):
            self._rpc("anvil_dropTransaction", one)

    def _pooled(self, part: str) -> list[str]:
        """Return the hashes of the keeper's transactions in a part of the pool, by their nonces."""
        by_sender = self._rpc("txpool_content")[part]
        ours: Mapping[str, Any] = next(
            (of for who, of in by_sender.items() if who.lower() == self.operator), {}
        )
        return [one["hash"] for _, one in sorted(ours.items(), key=lambda entry: int(entry[0]))]

    def mined(self, *, depth: int) -> dict[str, str]:
        """Return the keeper's transactions in the newest blocks, raw, by their hashes, oldest first."""
        blocks = [
            self._rpc("eth_getBlockByNumber", hex(self.head - back), True) for back in reversed(range(depth))
        ]
        ours = [one["hash"] for block in blocks for one in block["transactions"] if self._is_ours(one)]
        return {one: self._rpc("eth_getRawTransactionByHash", one) for one in ours}

    def drop(self, transactions: Mapping[str, str]) -> None:
        """Take transactions out of the pool."""
        for one in transactions:
            self._rpc("anvil_dropTransaction", one)

    def put(self, transactions: Mapping[str, str]) -> None:
        """Put transactions into the pool, as somebody who kept them would; whom it refuses is left out."""
        for raw in transactions.values():
            with suppress(RpcError):
                self._rpc("eth_sendRawTransaction", raw)

    @property
    def operator(self) -> str:
        """Return whose key the keeper signs with, as a node writes it."""
        return f"0x{self.stage.devnet.operator.address.hex()}"

    def _is_ours(self, transaction: Mapping[str, Any]) -> bool:
        return str(transaction["from"]).lower() == self.operator

    def _rpc(self, method: str, *params: object) -> Any:
        return self.stage.devnet.anvil.rpc(method, *params)


@contextmanager
def scene(folder: Path, *, seed: int, blocks: int, way: Way) -> Iterator[Scene]:
    """Yield an act of so many blocks, with the keeper at work; `seed` draws the market and the faults."""
    with ExitStack() as stack:
        extra = () if way is Way.PUBLIC else _AS_THE_RELAY_ORDERS
        devnet = stack.enter_context(Devnet.start(automine=False, extra=extra))
        reporting = oracle(devnet) if way is Way.BACKRUN else None
        background = stack.enter_context(Background())
        stage = stack.enter_context(daemon_stage(devnet, folder, protocols=_PROTOCOLS, endpoints=2))
        for _ in range(DEEPEST):  # no reorg takes the keeper's own contracts
            devnet.mine()
        clock = folder / "clock"
        clock.write_text("0")
        stage.module = ("keeper.devnet.drill.clock", str(clock))
        stage.environment |= {
            "KEEPER_CONFIRMATIONS": str(CONFIRMATIONS),
            "KEEPER_MAX_REVERTS_IN_ROW": "1000",
        }
        relay = None if way is Way.PUBLIC else stack.enter_context(_relay(devnet, background))
        if relay is not None:
            urls = [f"{proxy.url}#trusted" for proxy in stage.proxies]
            stage.environment |= {
                "KEEPER_RPC_URLS": ",".join(urls),
                "KEEPER_CHANNELS": "bundle",
                "KEEPER_BUILDERS": f"{relay.url}#cancels",
            }
        if relay is not None and way is Way.BACKRUN:
            stage.environment |= {
                "KEEPER_CHANNELS": "bundle,backrun",
                "KEEPER_BUILDERS": f"{relay.url}#cancels+backruns",
                "KEEPER_MEV_SHARE_URL": relay.url,
                "KEEPER_MAX_ORACLE_DIVERGENCE_BPS": "2500",
            }
        one = Scene(
            stage=stage,
            random=Random(seed),
            clock=clock,
            relay=relay,
            oracle=reporting,
            _background=background,
            _path=iter(crash(seed, steps=max(4, blocks // 2))),
        )
        one.restart()
        yield one


@contextmanager
def _relay(devnet: Devnet, background: Background) -> Iterator[Relay]:
    relay = Relay(devnet.anvil.rpc)
    background.run(relay.__aenter__())
    try:
        yield relay
    finally:
        background.run(relay.__aexit__(None, None, None))
