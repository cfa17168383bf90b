"""A block's bloom: what its header says of its logs, held against the logs that came.

What is not in the bloom did not happen, and what happened is in it. What is in it may still not have
happened: on a busy chain most of its bits are set. So an emitter that is in the bloom and whose logs did not
come is evidence only where that is unlikely to be chance; on a crowded bloom it is none, and none is made
of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from eth_utils.crypto import keccak

from keeper.domain.address import Address, Hash32
from keeper.query import Log, Logs

BLOOM_BYTES = 256
_BITS = 8 * BLOOM_BYTES
_FALSE_ALARMS = 1 / 32
"""The most false alarms a block that are worth a second look."""


class Bloom:
    """The bloom of one block's header. All zeros say nothing: some chains keep none."""

    def __init__(self, raw: bytes) -> None:
        """Take the header's `logsBloom`, 256 bytes. Raises ValueError where it is none."""
        if len(raw) != BLOOM_BYTES:
            raise ValueError(f"expected {BLOOM_BYTES} bytes, got {len(raw)}")
        self._bits = int.from_bytes(raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bloom) and self._bits == other._bits

    def __hash__(self) -> int:
        return hash(self._bits)

    @classmethod
    def of(cls, logs: Iterable[Log]) -> Bloom:
        """Return the bloom of a block that has these logs, and no others."""
        bits = 0
        for log in logs:
            bits |= _mask(log.emitter)
            for topic in log.topics:
                bits |= _mask(topic)
        return cls(bits.to_bytes(BLOOM_BYTES))

    @property
    def is_kept(self) -> bool:
        """Return whether it says anything."""
        return self._bits != 0

    def holds(self, item: bytes) -> bool:
        """Return whether an emitter or a topic may be among the block's. Never False for one that is."""
        mask = _mask(item)
        return self._bits & mask == mask

    def foreign(self, logs: Iterable[Log]) -> Log | None:
        """Return a log that can't be of the block, None where all can."""
        return next(
            (log for log in logs if not (self.holds(log.emitter) and all(map(self.holds, log.topics[:1])))),
            None,
        )

    def missing(self, ask: Logs, found: Sequence[Log]) -> tuple[Address, ...]:
        """Return the emitters of whom logs should have come, as far as that can hardly be chance."""
        told = {log.emitter for log in found}
        silent = [emitter for emitter in ask.emitters if emitter not in told]
        if self._chance(len(silent), ask.topics) > _FALSE_ALARMS:
            return ()
        if ask.topics and not any(map(self.holds, ask.topics)):
            return ()
        return tuple(filter(self.holds, silent))

    def _chance(self, emitters: int, topics: Sequence[Hash32]) -> float:
        """Return how many of so many emitters that logged nothing would seem to have."""
        by_chance = (self._bits.bit_count() / _BITS) ** 3
        one_topic = 1 - (1 - by_chance) ** len(topics) if topics else 1.0
        return emitters * by_chance * one_topic


@lru_cache(maxsize=65_536)
def _mask(item: bytes) -> int:
    """Return an item's three bits. Mirrors the yellow paper's M3:2048."""
    digest = keccak(item)
    bits = 0
    for at in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[at : at + 2]) % _BITS)
    return bits
