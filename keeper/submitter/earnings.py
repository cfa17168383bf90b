"""What a transaction earned, and what of it failed, by what the executor measured and said in its receipt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keeper.abi import Event
from keeper.domain.address import Address
from keeper.domain.carriage import Carried
from keeper.query import Log


def earnings_wei(logs: Iterable[Log], *, executor: Address, executed: Event) -> tuple[int, int]:
    """Return what reached the vault, and the tip, in wei; both 0 where the executor said nothing.

    `executed` is the executor's event of that name. Logs of other contracts are passed over, also where
    they look the same.
    """
    said = _said(logs, executor, executed)
    return sum(one["profit"] for one in said), sum(one["tip"] for one in said)


def carried(logs: Iterable[Log], *, vault: Address, event: Event) -> tuple[Carried, ...]:
    """Return what the vault paid, and what it keeps for it; `event` is its event of that name."""
    return tuple(
        Carried(
            spent=one["spent"],
            carried=one["carried"],
            paid_raw=one["paid"],
            received_raw=one["received"],
        )
        for one in _said(logs, vault, event)
    )


def failed_parts(logs: Iterable[Log], *, executor: Address, leg_failed: Event) -> tuple[int, ...]:
    """Return which parts failed and left everything as it was, by their places."""
    return tuple(one["index"] for one in _said(logs, executor, leg_failed))


def _said(logs: Iterable[Log], emitter: Address, event: Event) -> list[dict[str, Any]]:
    return [
        event.decode(log.topics, log.data)
        for log in logs
        if log.emitter == emitter and log.topics[:1] == (event.topic,)
    ]
