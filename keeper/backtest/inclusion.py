"""Inclusion: into which block a transaction of the keeper's would have come, where in it, and at what price.

Pure. Every parameter is one of :class:`Model`, so that whoever reads a result sees what it supposes. Each of
the keeper's transactions is placed by its own bid, as if it had a key of its own. Floats are about times
alone; what is paid is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import exp
from statistics import NormalDist

from keeper.backtest.past import Mined
from keeper.domain.address import Address
from keeper.domain.fixed_point import BPS

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is supposed of the keeper's way into a block."""

    latency_s: float = 0.5
    """Median time from a block's timestamp to the transaction's being with the builders."""
    latency_spread: float = 0.5
    """Sigma of the lognormal distribution of that time; 0 makes it always the median."""
    closes_before_s: float = 1.0
    """How long before its timestamp a block takes its last transaction."""
    bid_bps: int = 8_000
    """The most that is bid, as a share of the profit predicted after gas, in bps."""
    reverts_land: bool = True
    """The channel lets a transaction into a block that reverts there: a lost race costs its gas."""
    builders: frozenset[Address] = frozenset()
    """Fee recipients whose builders can be reached. Empty: all."""
    seed: int = 1
    """Draws the latencies."""

    def reaches(self, builder: Address) -> bool:
        """Return whether the keeper's transactions come to a block's builder."""
        return not self.builders or builder in self.builders

    def drawn_s(self, *what: bytes) -> float:
        """Return the latency of one decision: for the same `what` always the same."""
        digest = blake2b(b"".join(what), digest_size=8, key=self.seed.to_bytes(8, "big")).digest()
        return self.quantile_s((int.from_bytes(digest, "big") + 0.5) / 2**64)

    def quantile_s(self, share: float) -> float:
        """Return the latency that a share of decisions, above 0 and below 1, stays under."""
        return self.latency_s * exp(self.latency_spread * _NORMAL.inv_cdf(share))

    def in_time(self, *, sent_at_s: float, block_at_s: int) -> bool:
        """Return whether what was sent at a time is there when a block of time `block_at_s` closes."""
        return sent_at_s <= block_at_s - self.closes_before_s

    def most_tip_wei(self, *, profit_wei: int, gas_used: int, least_tip_wei: int) -> int:
        """Return the most offered for each unit of gas: the planned fee, and the share of the profit."""
        return least_tip_wei + max(profit_wei, 0) * self.bid_bps // BPS // max(gas_used, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a block a transaction comes, and what it pays for that."""

    index: int
    """Before the real transaction of that index."""
    tip_wei: int
    """For each unit of gas."""
    outbid: bool
    """A rival for the same position was there too, and offered more."""
    unknown: bool = False
    """A rival was there whose bid nobody can know: it paid its builder in another way."""


def place(block: Sequence[Mined], *, rival: int | None, least_tip_wei: int, most_tip_wei: int) -> Place:
    """Return where in this block a transaction that may pay up to `most_tip_wei` comes.

    `rival` is the index of the first transaction that takes the same position, None where none does. Against
    a rival one wei more than its offer is paid, as long as that is within the most; without one, the least.
    Builders take the higher offer first; between equal ones the real transaction comes first.
    """
    if rival is None:
        return Place(index=_behind(block, least_tip_wei), tip_wei=least_tip_wei, outbid=False)
    offered_wei = block[rival].tip_wei
    if offered_wei == 0:
        return Place(index=rival + 1, tip_wei=least_tip_wei, outbid=True, unknown=True)
    needed_wei = max(least_tip_wei, offered_wei + 1)
    if needed_wei > most_tip_wei:
        behind = max(rival + 1, _behind(block, most_tip_wei))
        return Place(index=behind, tip_wei=most_tip_wei, outbid=True)
    return Place(index=min(rival, _behind(block, needed_wei)), tip_wei=needed_wei, outbid=False)


def _behind(block: Sequence[Mined], tip_wei: int) -> int:
    """Return the index after the last transaction that offers at least as much."""
    return max((index + 1 for index, one in enumerate(block) if one.tip_wei >= tip_wei), default=0)
