"""What a live keeper knew when its recording began, on tape and off it again: a Memory that is only read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keeper.backtest.codec import decode_head, encode_head
from keeper.backtest.tape import Remembered
from keeper.domain.address import Address, Hash32
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.ports import Kept, Link, Touched


def packed(source: str, kept: Kept) -> Remembered:
    """Return what is kept of a source as a frame."""
    return Remembered(
        source=source,
        edition=kept.edition,
        remembered=list(kept.remembered),
        scanned_to=kept.scanned_to,
        head=None if kept.head is None else encode_head(kept.head),
        links=[
            (
                link.number,
                link.hash,
                sorted((one.market, one.borrower) for one in link.touched.positions),
                link.touched.configuration,
            )
            for link in kept.links
        ],
        positions=[(one.market, one.borrower, row) for one, row in kept.positions.items()],
    )


def unpacked(frame: Remembered) -> Kept:
    """Return what a frame says was kept."""
    return Kept(
        edition=frame.edition,
        remembered=tuple(frame.remembered),
        scanned_to=frame.scanned_to,
        head=None if frame.head is None else decode_head(frame.head),
        links=tuple(
            Link(
                number=number,
                hash=Hash32(hash_),
                touched=Touched(
                    positions=frozenset(PositionId(market, Address(one)) for market, one in touched),
                    configuration=configuration,
                ),
            )
            for number, hash_, touched, configuration in frame.links
        ),
        positions={PositionId(market, Address(one)): row for market, one, row in frame.positions},
    )


class WhatWasKept:
    """A :class:`keeper.ports.Memory` that knows this much of each source, and takes in nothing."""

    def __init__(self, of: Mapping[str, Kept]) -> None:
        self._of = of

    def kept(self, source: str) -> Kept | None:
        """Return what is kept of a source."""
        return self._of.get(source)

    def begin(self, source: str, *, edition: str) -> None:
        """Do nothing."""

    def resume(self, source: str) -> None:
        """Do nothing."""

    def named(
        self, source: str, positions: Iterable[PositionId], *, remembered: Iterable[bytes], scanned_to: int
    ) -> bool:
        """Do nothing."""
        return True

    def read(
        self,
        source: str,
        rows: Mapping[PositionId, bytes | None],
        *,
        head: Head,
        links: Iterable[Link[Touched]],
        remembered: Iterable[bytes],
    ) -> bool:
        """Do nothing."""
        return True
