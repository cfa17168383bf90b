"""Who could pay for a pair's most profitable size, side by side, for a person to look at. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.domain.report import Lender
from keeper.domain.token import TokenAmount
from keeper.planner.funding import Funding
from keeper.planner.pairs import Pair


def lenders(pair: Pair, fundings: Iterable[Funding]) -> tuple[Lender, ...]:
    """Return what each costs: the one that is taken, then those that would do, then those that would not.

    The cheapest come first. Of a lender with several pools the best is told.
    """
    found: dict[str, Lender] = {}
    for one in sorted([_lender(pair, funding) for funding in fundings], key=_order):
        found.setdefault(one.name, one)
    return tuple(found.values())


def _lender(pair: Pair, funding: Funding) -> Lender:
    best = pair.best
    token = pair.terms.collateral if funding.of_collateral else pair.terms.debt
    borrowed_raw = best.bought_for_raw if funding.of_collateral else best.settlement.repaid_limit_raw
    return Lender(
        name=funding.name,
        borrowed=TokenAmount(token=token, raw=borrowed_raw),
        available_raw=funding.available_raw,
        fee_raw=funding.fee_raw(borrowed_raw),
        gas=funding.gas,
        sold_into=funding.locks in pair.pools,
        taken=funding == pair.funding,
    )


def _order(one: Lender) -> tuple[bool, bool, int, int, str]:
    return not one.taken, not one.would_do, one.fee_raw, one.gas, one.name
