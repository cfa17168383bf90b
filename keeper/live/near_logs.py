"""Logs of the last few blocks, asked along with all else: a gap in heads costs no requests of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.address import Hash32
from keeper.live.log_ranges import is_suspicious
from keeper.live.part import Absorbed
from keeper.live.reads import filters, told_apart
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Reply, Request
from keeper.query import LogRange

_MOST_BLOCKS = 128


def is_near(ask: LogRange) -> bool:
    """Return whether a range is of so few blocks that its logs can be asked for along with all else."""
    return 0 <= ask.last - ask.first < _MOST_BLOCKS


@dataclass(frozen=True, slots=True)
class NearLogs:
    """The logs of one range that ends at the block asked about, for everybody who asks for some.

    Where an endpoint refuses them, may have left off some, or the range ends elsewhere, nothing is told: that
    is left to :mod:`keeper.live.log_ranges`.
    """

    asks: tuple[LogRange, ...]
    at: Hash32

    def requests(self) -> Sequence[Request]:
        """Return a request for the logs of given topics, one for those of any, one for the last block.

        That one is last, so that what it tells was so when the logs were told.
        """
        first, last = hex(self.asks[0].first), hex(self.asks[0].last)
        return [
            *(
                Request("eth_getLogs", ({**wanted, "fromBlock": first, "toBlock": last},))
                for wanted in filters(self.asks)
            ),
            Request("eth_getBlockByNumber", (last, False)),
        ]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the logs, as far as they are sure to be all."""
        told = [reply for reply in replies if not isinstance(reply, RpcError)]
        if len(told) < len(replies):
            return Absorbed({})
        *lists, block = told
        head, found = wire.head(block), [wire.logs(one) for one in lists]
        if head is None or head.hash != self.at or any(is_suspicious(len(one)) for one in found):
            return Absorbed({})
        logs = {log for one in found for log in one}
        return Absorbed(
            told_apart(self.asks, sorted(logs, key=lambda log: (log.block_number, log.log_index)))
        )
