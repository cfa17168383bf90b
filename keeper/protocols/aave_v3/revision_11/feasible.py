"""Which amounts can be repaid at all: the inverse of the close, exact.

Three rules shape the set. A partial close must leave $1000 of debt and of collateral, so it ends where
either would be less; taking *all* of either is free of that rule; and the close factor ends everything.
So it is a stretch from the smallest amounts up, and apart from it what clears the collateral or the debt.
"""

from __future__ import annotations

from keeper.domain.fixed_point import BPS, RAY, mul_div_down, mul_div_up
from keeper.domain.search import first_amount
from keeper.protocols.aave_v3.revision import Kind, Pair, Refusal, Stretch
from keeper.protocols.aave_v3.revision_11.liquidation import (
    LEFTOVER_LEAST_BASE,
    capped_repay_raw,
    clears_collateral,
    fee_raw,
    gross_raw,
)


def feasible(pair: Pair) -> tuple[Stretch, ...] | Refusal:
    """Return every amount above zero that can be repaid, or why there is none.

    Ascending by their least amount; stretches may touch or, where one unit of the collateral is worth a
    fortune, overlap. Where collateral and debt are one reserve, what is repaid is not counted as its cash,
    though the pool does.
    """
    collateral, debt = pair.collateral, pair.debt
    if collateral.reserve.price_base == 0 or debt.reserve.price_base == 0:
        return Refusal.ZERO_PRICE
    stretches = [
        _partial(pair),
        _takes_all_collateral(pair),
        _takes_all_collateral_by_cap(pair),
        _clears_debt(pair),
    ]
    burning = [_burning(pair, one) for one in stretches if one is not None]
    found = [one for one in burning if one is not None]
    if not found:
        return Refusal.DUST
    paid = [_within_cash(pair, one) for one in found]
    affordable = sorted((one for one in paid if one is not None), key=lambda one: one.least_raw)
    return tuple(affordable) or Refusal.NO_CASH


# --- the four kinds -----------------------------------------------------------------------------------------


def _partial(pair: Pair) -> Stretch | None:
    """Return what leaves enough of both sides."""
    collateral, debt = pair.collateral, pair.debt
    least_left = mul_div_up(LEFTOVER_LEAST_BASE, collateral.reserve.unit_raw, collateral.reserve.price_base)
    # the debt left is valued rounding up, so it may be worth a little less than the rule's amount
    least_owed = mul_div_down(LEFTOVER_LEAST_BASE - 1, debt.reserve.unit_raw, debt.reserve.price_base) + 1
    most = min(
        pair.limit_raw, debt.raw - least_owed, most_repay_for_gross_raw(pair, collateral.raw - least_left)
    )
    return _stretch(Kind.PART, 1, most)


def _takes_all_collateral(pair: Pair) -> Stretch | None:
    """Return what asks for the collateral to the last unit, and not for more."""
    least = most_repay_for_gross_raw(pair, pair.collateral.raw - 1) + 1
    most = min(pair.limit_raw, most_repay_for_gross_raw(pair, pair.collateral.raw))
    return _stretch(Kind.ALL_COLLATERAL, max(least, 1), most)


def _takes_all_collateral_by_cap(pair: Pair) -> Stretch | None:
    """Return what the collateral costs where the close factor lets more be asked for than there is."""
    if gross_raw(pair, pair.limit_raw) <= pair.collateral.raw:
        return None
    repay = capped_repay_raw(pair)
    return _stretch(Kind.ALL_COLLATERAL_BY_CAP, max(repay, 1), repay)


def _clears_debt(pair: Pair) -> Stretch | None:
    owed = pair.debt.raw
    if pair.limit_raw < owed or gross_raw(pair, owed) > pair.collateral.raw:
        return None
    return _stretch(Kind.ALL_DEBT, owed, owed)


def most_repay_for_gross_raw(pair: Pair, gross: int) -> int:
    """Return the largest repay that buys at most `gross` of the collateral, bonus included.

    -1 where even nothing buys more, as `gross` is negative. The exact inverse of `gross_raw`.
    """
    if gross < 0:
        return -1
    # floored: exchanged * bonus < (gross + 1) * BPS
    exchanged = ((gross + 1) * BPS - 1) // pair.collateral.bonus_bps
    # floored: repay * debt_side < (exchanged + 1) * collateral_side
    collateral, debt = pair.collateral.reserve, pair.debt.reserve
    debt_side = debt.price_base * collateral.unit_raw
    collateral_side = collateral.price_base * debt.unit_raw
    return ((exchanged + 1) * collateral_side - 1) // debt_side


# --- what cuts them -----------------------------------------------------------------------------------------


def _burning(pair: Pair, stretch: Stretch) -> Stretch | None:
    """Return the part in which something of both tokens is burned, None where there is none."""

    def burns(repay: int) -> bool:
        gross = _gross(pair, stretch, repay)
        if gross == fee_raw(pair, gross):
            return False
        burned = pair.debt.raw if clears_collateral(pair, gross) else repay
        return burned * RAY >= pair.debt.index_ray

    least = first_amount(stretch.least_raw, stretch.most_raw, burns)
    return None if least is None else _stretch(stretch.kind, least, stretch.most_raw)


def _within_cash(pair: Pair, stretch: Stretch) -> Stretch | None:
    """Return the part for which the collateral's reserve has the cash, None where there is none."""
    cash = pair.collateral.reserve.cash_raw

    def exceeds(repay: int) -> bool:
        gross = _gross(pair, stretch, repay)
        return gross - fee_raw(pair, gross) > cash

    if not exceeds(stretch.most_raw):
        return stretch
    first_over = first_amount(stretch.least_raw, stretch.most_raw, exceeds)
    assert first_over is not None
    return _stretch(stretch.kind, stretch.least_raw, first_over - 1)


def _gross(pair: Pair, stretch: Stretch, repay: int) -> int:
    by_cap = stretch.kind is Kind.ALL_COLLATERAL_BY_CAP
    return pair.collateral.raw if by_cap else gross_raw(pair, repay)


def _stretch(kind: Kind, least: int, most: int) -> Stretch | None:
    return Stretch(kind=kind, least_raw=least, most_raw=most) if least <= most else None
