"""Positions as amounts in slots, and what an amount in each slot weighs: a health factor as one sum.

A borrower may be liquidated where the collateral's value, each times its threshold, is less than the debt's.
That is a sum over scaled balances, each times a weight that all borrowers share; what the contract's rounding
may take from it is the slack. With `index` and `price` exact, and `unit` a whole token in raw units:

- **Balances.** ``scaled * index / RAY`` is floored, rounded half up or rounded up, so it is off by less than
  one raw unit, which is worth ``price / unit`` base units.
- **Values.** ``raw * price / unit`` is floored or rounded up: off by less than one base unit.
- **The health factor.** Up to revision 8 it takes a detour over the average threshold, floored to whole bps:
  ``sum(value * threshold) / sum(value)`` loses less than 1 bp, which is no more than if each collateral's
  threshold were 1 bp lower; and the product with that average is rounded half up, off by half a base unit at
  most. From revision 9 on neither. The quotient's rounding then never makes a health factor of 1 or more of
  one that is less, in any revision: half up may add half a wad, and the next whole one is what is compared.

So collateral weighs its value at the revision's least threshold, with a slack of one raw and one base unit at
that threshold and half a base unit; debt weighs its value, with a slack of one raw and one base unit. Each is
a little more here, for what is computed in floats. The indices are those of the block's time, by the
revision's own accrual, so interest adds nothing to the slack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keeper.domain.fixed_point import BPS, RAY
from keeper.ports import Entry, Weights
from keeper.protocols.aave_v3.accrual import accrued
from keeper.protocols.aave_v3.revision import Revision
from keeper.protocols.aave_v3.state import Market, Reserve, Row, Scaled


class Slot(NamedTuple):
    """What of a borrower's one scaled balance is: which side, in which e-mode, of which reserve."""

    owes: bool
    e_mode: int
    reserve_id: int


def pack(row: Row) -> list[Entry[Slot]]:
    """Return a row's entries. The e-mode is in each, since it decides what collateral weighs."""
    return [
        *(Entry(Slot(False, row.e_mode, one.reserve_id), one.scaled) for one in row.collaterals),
        *(Entry(Slot(True, row.e_mode, one.reserve_id), one.scaled) for one in row.debts),
    ]


def unpack(entries: Sequence[tuple[Slot, int]]) -> Row:
    """Return the row that was packed."""
    collaterals: list[Scaled] = []
    debts: list[Scaled] = []
    for (owes, _, reserve_id), scaled in entries:
        (debts if owes else collaterals).append(Scaled(reserve_id, scaled))
    slot, _ = entries[0]
    return Row(e_mode=slot.e_mode, collaterals=tuple(collaterals), debts=tuple(debts))


def weights(revision: Revision, market: Market, slots: Sequence[Slot], *, at_s: int) -> Weights:
    """Return what a unit in each slot weighs at `at_s`, in base units; 0 where its reserve was dropped."""

    indices = accrued(revision.accrue, market, at_s=at_s)
    shared: dict[int, tuple[Reserve, float, float, float]] = {}
    for id_, reserve in market.reserves.items():
        raw_base = reserve.price_base / reserve.unit_raw
        liquidity_ray, debt_ray = indices[id_]
        shared[id_] = (reserve, raw_base, liquidity_ray / RAY * raw_base, debt_ray / RAY * raw_base)
    per_unit: list[float] = []
    slack: list[float] = []
    for owes, e_mode_id, reserve_id in slots:
        found = shared.get(reserve_id)
        if found is None:
            weight = off = 0.0
        elif owes:
            _, raw_base, _, owed = found
            weight, off = -owed, raw_base + 2
        else:
            reserve, raw_base, held, _ = found
            threshold_bps = market.threshold_bps(reserve, e_mode_id)
            part = revision.least_threshold_bps(reserve, threshold_bps) / BPS
            weight, off = held * part, (raw_base + 1) * abs(part) + 1
        per_unit.append(weight)
        slack.append(off)
    return Weights(per_unit=per_unit, slack=slack)
