"""What a transaction earned, by what the executor measured and said in its receipt."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.abi import Event
from keeper.domain.address import Address
from keeper.query import Log


def earnings_wei(logs: Iterable[Log], *, executor: Address, executed: Event) -> tuple[int, int]:
    """Return what reached the vault, and the tip, in wei; both 0 where the executor said nothing.

    `executed` is the executor's event of that name. Logs of other contracts are passed over, also where
    they look the same.
    """
    said = [
        executed.decode(log.topics, log.data)
        for log in logs
        if log.emitter == executor and log.topics[:1] == (executed.topic,)
    ]
    return sum(one["profit"] for one in said), sum(one["tip"] for one in said)
