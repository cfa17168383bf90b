"""Logs of one block, and accounts at one: each a request or three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.address import Hash32
from keeper.live.part import Absorbed, result
from keeper.node import wire
from keeper.node.endpoint import Reply, Request
from keeper.query import Account, AccountState, Logs


@dataclass(frozen=True, slots=True)
class BlockLogs:
    """The logs of the block asked about."""

    ask: Logs
    at: Hash32

    def requests(self) -> Sequence[Request]:
        """Return the one request."""
        wanted = log_filter(self.ask.emitters, self.ask.topics)
        return [Request("eth_getLogs", ({**wanted, "blockHash": wire.hex_data(self.at)},))]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the logs."""
        return Absorbed({self.ask: wire.logs(result(replies[0]), block_hash=self.at)})


@dataclass(frozen=True, slots=True)
class OneAccount:
    """Nonce, balance and code of an account."""

    ask: Account
    at: Hash32

    def requests(self) -> Sequence[Request]:
        """Return the three requests."""
        params = (wire.hex_data(self.ask.address), wire.pinned(self.at))
        return [
            Request("eth_getTransactionCount", params),
            Request("eth_getBalance", params),
            Request("eth_getCode", params),
        ]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the account's state."""
        nonce, balance, code = (result(reply) for reply in replies)
        state = AccountState(wire.quantity(nonce), wire.quantity(balance), wire.data(code))
        return Absorbed({self.ask: state})


def log_filter(emitters: Sequence[bytes], topics: Sequence[Hash32]) -> dict[str, object]:
    """Return the part of a log filter that says whose logs and which."""
    wanted: dict[str, object] = {"address": [wire.hex_data(emitter) for emitter in emitters]}
    if topics:
        wanted["topics"] = [[wire.hex_data(topic) for topic in topics]]
    return wanted
