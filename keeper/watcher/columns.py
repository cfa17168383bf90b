"""Positions as columns: arrays of what each has and owes, for any number of positions.

A row packs into entries, each an amount in a slot: such as so much scaled collateral of one reserve in one
e-mode. Positions with as many entries stand in one table, a table's rows without a gap: what is dropped is
replaced by the last. An entry is its slot's number, its exact amount of 128 bits, and that as a float64 for
the screen; with the borrower's address and its index that is about 230 bytes a position.

What no table can hold (more entries or slots than there is room for, an amount beyond 128 bits) is kept as
the object it is, and passes every screen: it is slower, and never wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from keeper.domain.address import Address
from keeper.domain.errors import Invariant
from keeper.domain.position import PositionId
from keeper.ports import Entry, Row, Weights

_WIDTHS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128)
"""Entries that a table's rows have room for. Few positions have more than four."""

_FIRST_ROOM = 64
_MOST_SLOTS = 2**16
_AMOUNT_BITS = 128
_AMOUNT_BYTES = _AMOUNT_BITS // 8
_HALVES = Struct(">QQ")
"""How an amount is stored."""
_ADDRESS_BYTES = 20
_WIDTH_BITS = 8

_CHUNK = 2**17
"""Entries of one width screened at once: what is computed of them stays in the processor's cache."""

_BELOW_ZERO = -sys.float_info.min
"""The number next to zero."""

_FLOAT_MARGIN = 1e-12
"""How much each weight is worsened. A weight and an amount are each rounded to 53 bits, and so are their
product and each sum of up to 128 of them: 131 roundings of 2**-53, which is 1.5e-14 of all that is added.
"""


Item = TypeVar("Item", bound=np.generic)
_Rows: TypeAlias = NDArray[np.intp]
"""Some rows of one table."""


class _Packed(NamedTuple):
    slots: list[int]
    amounts: list[int]


class Columns(Mapping[PositionId, Row], Generic[Row]):
    """Each position's row, by position."""

    def __init__(
        self,
        *,
        pack: Callable[[Row], Sequence[Entry[Any]]],
        unpack: Callable[[PositionId, Sequence[tuple[Any, int]]], Row],
    ) -> None:
        """`unpack` makes again what `pack` took apart, equal in all."""
        self._pack = pack
        self._unpack = unpack
        self._slots: list[Hashable] = [None]  # number 0 is that of room that is not used
        self._numbers: dict[Hashable, int] = {}
        self._tables = {width: _Table(width) for width in _WIDTHS}
        self._markets: list[str] = []
        self._places: dict[str, dict[Address, int]] = {}
        self._misfits: dict[PositionId, Row] = {}
        self._scratch = _Scratch()

    # --- a mapping

    def __len__(self) -> int:
        return sum(table.count for table in self._tables.values()) + len(self._misfits)

    def __iter__(self) -> Iterator[PositionId]:
        for market, places in self._places.items():
            for borrower in places:
                yield PositionId(market, borrower)
        yield from self._misfits

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, tuple) or len(position) != 2:
            return False
        market, borrower = position
        return borrower in self._places.get(market, ()) or position in self._misfits

    def __getitem__(self, position: PositionId) -> Row:
        place = self._places.get(position.market, {}).get(position.borrower)
        if place is None:
            return self._misfits[position]
        row, width = place >> _WIDTH_BITS, place & (1 << _WIDTH_BITS) - 1
        ((_, held),) = self._read(self._tables[width], np.array([row]))
        return held

    def at(self, place: int) -> PositionId:
        """Return the position at a place, from 0 on: in an order that holds until something changes."""
        for table in self._tables.values():
            if place < table.count:
                (position,) = self._positions(table, np.array([place]))
                return position
            place -= table.count
        return list(self._misfits)[place]

    def _positions(self, table: _Table, rows: _Rows) -> Iterator[PositionId]:
        """Yield whose rows of a table these are."""
        return (PositionId(self._markets[market], borrower) for market, borrower in table.positions(rows))

    def _read(self, table: _Table, rows: _Rows) -> Iterator[tuple[PositionId, Row]]:
        """Yield whose rows of a table these are, and what they hold."""
        slot_of = self._slots.__getitem__
        for position, (slots, amounts) in zip(self._positions(table, rows), table.read(rows), strict=True):
            pairs = zip(map(slot_of, slots), amounts, strict=True)
            yield position, self._unpack(position, [one for one in pairs if one[0] is not None])

    # --- changing it

    def put(self, rows: Mapping[PositionId, Row]) -> None:
        """Make these the positions' rows, whether they were there or not."""
        packed: dict[PositionId, _Packed] = {}
        for position, row in rows.items():
            fitting = self._fitting(self._pack(row))
            if fitting is None:
                self.drop(position)
                self._misfits[position] = row
            else:
                self._misfits.pop(position, None)
                packed[position] = fitting
        # first all that leave a table, for then another takes their place in it; then all that enter one
        for position, one in packed.items():
            place = self._places.get(position.market, {}).get(position.borrower)
            if place is not None and place & (1 << _WIDTH_BITS) - 1 != len(one.slots):
                self.drop(position)
        by_width: dict[int, dict[int, _Packed]] = {}
        for position, one in packed.items():
            by_width.setdefault(len(one.slots), {})[self._row(position, len(one.slots))] = one
        for width, found in by_width.items():
            self._tables[width].write(found)

    def drop(self, position: PositionId) -> None:
        """Forget a position, where it is known."""
        self._misfits.pop(position, None)
        place = self._places.get(position.market, {}).pop(position.borrower, None)
        if place is None:
            return
        row, width = place >> _WIDTH_BITS, place & (1 << _WIDTH_BITS) - 1
        table = self._tables[width]
        if table.remove(row):
            (moved,) = self._positions(table, np.array([row]))
            self._places[moved.market][moved.borrower] = place

    def _row(self, position: PositionId, width: int) -> int:
        """Return a position's row in its table, a new one where it has none."""
        places = self._places.get(position.market)
        if places is None:
            places = self._places[position.market] = {}
        place = places.get(position.borrower)
        if place is None:
            if position.market not in self._markets:
                self._markets.append(position.market)
            market = self._markets.index(position.market)
            row = self._tables[width].append(market, position.borrower)
            place = places[position.borrower] = row << _WIDTH_BITS | width
        return place >> _WIDTH_BITS

    def _fitting(self, entries: Sequence[Entry[Any]]) -> _Packed | None:
        """Return entries as a table holds them, or None where none can."""
        width = next((width for width in _WIDTHS if width >= len(entries)), None)
        if width is None or any(entry.amount >> _AMOUNT_BITS for entry in entries):
            return None
        numbers = [self._number(entry.slot) for entry in entries]
        if None in numbers:
            return None
        room = [0] * (width - len(entries))
        return _Packed(
            [number for number in numbers if number is not None] + room,
            [entry.amount for entry in entries] + room,
        )

    def _number(self, slot: Hashable) -> int | None:
        """Return a slot's number, a new one where it has none; None where there are no more."""
        number = self._numbers.get(slot)
        if number is None and len(self._slots) < _MOST_SLOTS:
            number = self._numbers[slot] = len(self._slots)
            self._slots.append(slot)
        return number

    # --- screening it

    @property
    def slots(self) -> Sequence[Hashable]:
        """Return each slot that any position ever had, in the order that `screen` wants its weights in."""
        return self._slots[1:]

    def screen(self, weights: Weights, *, below: float) -> Iterator[PositionId]:
        """Yield every position whose health may be under `below`, and few others, in no order.

        It is under it only if what its entries add to it, and take from it `below` times, is less than all
        their slack: their weights tell the exact sum but for that. What is summed up here is the sum in
        float64, each weight worsened by what floats may lose. So none is missed.
        """
        for table, rows in self._under(weights, below):
            yield from self._positions(table, rows)
        yield from self._misfits

    def screened(self, weights: Weights, *, below: float) -> Iterator[tuple[PositionId, Row]]:
        """Yield what `screen` does, each with its row."""
        for table, rows in self._under(weights, below):
            yield from self._read(table, rows)
        yield from self._misfits.items()

    def _under(self, weights: Weights, below: float) -> Iterator[tuple[_Table, _Rows]]:
        """Yield each table's rows that a screen lets through."""
        adds = np.array([0.0, *weights.per_unit])
        slack = np.array([0.0, *weights.slack])
        taken = adds < 0
        adds[taken] *= below
        slack *= max(below, 1.0) * (1 + _FLOAT_MARGIN)
        adds -= np.abs(adds) * _FLOAT_MARGIN
        if len(adds) != len(self._slots) or len(slack) != len(self._slots):
            raise Invariant(f"weights of {len(adds) - 1} slots, but there are {len(self._slots) - 1}")
        for table in self._tables.values():
            for rows in table.under(adds, slack, self._scratch):
                yield table, rows

    def first_to_fall(self, weights: Weights, end: Weights) -> tuple[float, PositionId] | None:
        """Return how far on the straight way from these weights to others the next position falls, and which.

        That is a share of the way, beyond 1 where it has to go on. What is short at its beginning already has
        fallen; what no table holds is not looked at. Floats: near enough to be told, not to be decided by.
        """
        now = np.array([0.0, *weights.per_unit])
        lost = now - np.array([0.0, *end.per_unit])
        slack = np.array([0.0, *weights.slack])
        if not lost.any():
            return None
        found = [
            (share, position)
            for table in self._tables.values()
            for share, row in table.first_to_fall(now, lost, slack, self._scratch)
            for position in self._positions(table, np.array([row]))
        ]
        return min(found, default=None)


class _Scratch:
    """Room for what is computed of a chunk: made once, for a page's first use costs more than its sums."""

    def __init__(self) -> None:
        self._terms = np.empty(_CHUNK, np.float64)
        self._sums = np.empty(_CHUNK, np.float64)
        self._more = np.empty(_CHUNK, np.bool_)

    def up_to(
        self,
        most: float,
        weights: NDArray[np.float64],
        slots: NDArray[np.uint16],
        amounts: NDArray[np.float64],
    ) -> tuple[_Rows, NDArray[np.float64]]:
        """Return which columns' amounts come to no more than `most` by their slots' weights, and to what."""
        rows = slots.shape[1]
        terms, sums, more = self._terms[:rows], self._sums[:rows], self._more[:rows]
        for entry, (slot, amount) in enumerate(zip(slots, amounts, strict=True)):
            term = terms if entry else sums
            weights.take(slot, out=term, mode="clip")  # none is out of bounds; clipping is quickest
            np.multiply(term, amount, out=term)
            if entry:
                np.add(sums, term, out=sums)
        np.greater(sums, most, out=more)  # what is not a number is not more
        np.logical_not(more, out=more)
        found = np.flatnonzero(more)
        return found, sums.take(found)


class _Table:
    """The positions of one width: entry by entry a column, so that a screen reads what it needs in a line."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self._slots = np.zeros((width, 0), np.uint16)
        self._amounts = np.zeros((width, 0), np.float64)
        self._exact: NDArray[np.void] = np.zeros((width, 0), f"V{_AMOUNT_BYTES}")
        self._borrowers: NDArray[np.void] = np.zeros(0, f"V{_ADDRESS_BYTES}")
        self._markets = np.zeros(0, np.uint32)

    def append(self, market: int, borrower: Address) -> int:
        """Return a new row, of which no more is known than whose it is."""
        row = self.count
        if row == len(self._markets):
            self._grow(max(2 * row, _FIRST_ROOM))
        self._markets[row] = market
        self._borrowers[row] = np.void(borrower)
        self.count = row + 1
        return row

    def remove(self, row: int) -> bool:
        """Forget a row. Returns whether the last, which is another, took its place."""
        self.count -= 1
        last = self.count
        if row == last:
            return False
        for column in (self._slots, self._amounts, self._exact):
            column[:, row] = column[:, last]
        self._borrowers[row] = self._borrowers[last]
        self._markets[row] = self._markets[last]
        return True

    def positions(self, rows: _Rows) -> Iterator[tuple[int, Address]]:
        """Yield each row's market, by its number, and borrower."""
        borrowers = self._borrowers.take(rows).tobytes()
        cuts = range(0, len(borrowers), _ADDRESS_BYTES)
        addresses = [Address(borrowers[cut : cut + _ADDRESS_BYTES]) for cut in cuts]
        return zip(self._markets.take(rows).tolist(), addresses, strict=True)

    def read(self, rows: _Rows) -> Iterator[_Packed]:
        """Yield each row's slots and exact amounts."""
        exact, width = self._exact.take(rows, axis=1).T.tobytes(), len(self._slots)
        amounts = [high << 64 | low for high, low in _HALVES.iter_unpack(exact)]
        for row, slots in enumerate(self._slots.take(rows, axis=1).T.tolist()):
            yield _Packed(slots, amounts[row * width : (row + 1) * width])

    def write(self, rows: Mapping[int, _Packed]) -> None:
        """Make these the rows' entries."""
        at = np.fromiter(rows, np.int64, len(rows))
        amounts = [one.amounts for one in rows.values()]
        exact = b"".join([raw.to_bytes(_AMOUNT_BYTES, "big") for row in amounts for raw in row])
        self._slots[:, at] = np.array([one.slots for one in rows.values()], np.uint16).T
        self._amounts[:, at] = np.array(amounts, np.float64).T
        self._exact[:, at] = np.frombuffer(exact, self._exact.dtype).reshape(len(rows), -1).T

    def under(
        self, adds: NDArray[np.float64], slack: NDArray[np.float64], scratch: _Scratch
    ) -> Iterator[_Rows]:
        """Yield the rows whose entries come to no more than their slack. Each slot must have both."""
        if not self.count:
            return
        width = len(self._slots)
        most = width * float(slack.max())
        step = _CHUNK // width
        for start in range(0, self.count, step):
            part = slice(start, min(start + step, self.count))
            near, sums = scratch.up_to(most, adds, self._slots[:, part], self._amounts[:, part])
            if len(near):
                near += start
                allowed = slack.take(self._slots.take(near, axis=1)).sum(axis=0)
                yield near[~(sums > allowed)]

    def first_to_fall(
        self,
        now: NDArray[np.float64],
        lost: NDArray[np.float64],
        slack: NDArray[np.float64],
        scratch: _Scratch,
    ) -> Iterator[tuple[float, int]]:
        """Yield, of each chunk, the row that falls first as ever more of what is `lost` goes, and when."""
        step = _CHUNK // len(self._slots)
        for start in range(0, self.count, step):
            part = slice(start, min(start + step, self.count))
            losing, loses = scratch.up_to(_BELOW_ZERO, -lost, self._slots[:, part], self._amounts[:, part])
            if not len(losing):
                continue
            losing += start
            slots = self._slots.take(losing, axis=1)
            sums = (now.take(slots) * self._amounts.take(losing, axis=1)).sum(axis=0)
            shares = np.where(sums > slack.take(slots).sum(axis=0), sums / -loses, np.inf)
            best = int(shares.argmin())
            if np.isfinite(shares[best]):
                yield float(shares[best]), int(losing[best])

    def _grow(self, room: int) -> None:
        """Make room for so many rows."""

        def grown(column: NDArray[Item]) -> NDArray[Item]:
            wider = np.zeros((*column.shape[:-1], room), column.dtype)
            wider[..., : column.shape[-1]] = column
            return wider

        self._slots = grown(self._slots)
        self._amounts = grown(self._amounts)
        self._exact = grown(self._exact)
        self._borrowers = grown(self._borrowers)
        self._markets = grown(self._markets)
