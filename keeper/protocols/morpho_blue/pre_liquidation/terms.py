"""An opted-in position before its liquidation: `Terms`, paid for by the contract's own callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from keeper.abi import load
from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import WAD
from keeper.domain.position import Interval, Terms
from keeper.protocols.morpho_blue.arithmetic import Refusal, Refused, each_unit_has_shares, shares_down
from keeper.protocols.morpho_blue.liquidation import Close
from keeper.protocols.morpho_blue.position_terms import PositionTerms
from keeper.protocols.morpho_blue.pre_liquidation.arithmetic import Parameters, PreRefusal, offer, pre_close
from keeper.protocols.morpho_blue.standing import Standing

_PRE_LIQUIDATE = load("morpho_pre_liquidation").function("preLiquidate")
_CALLBACK = load("morpho_callbacks").function("onPreLiquidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreTerms(PositionTerms):
    """The terms of one position, closed by a contract that its borrower authorised."""

    contract: Address
    parameters: Parameters

    def call(self, repay_raw: int) -> ContractCall:
        """Return the call; its callback lets as much be pulled as is owed if it runs at the deadline."""
        data = _PRE_LIQUIDATE.encode(self.borrower, 0, self._shares(repay_raw), b"")
        return self.paid_back(self.contract, data, callback=_CALLBACK, repay_raw=repay_raw)

    def behind(self, earlier: Terms, repay_raw: int) -> PreTerms | Declined:
        """Return the terms after an earlier close; others where that is in the same market."""
        stands = self.stands_behind(earlier, repay_raw)
        if stands is None:
            return self
        now, late = stands
        return terms_of(replace(self, now=now, late=late, feasible=()))

    def closed_at(self, standing: Standing, repay_raw: int) -> Close | Refusal | PreRefusal:
        return closing(standing, self.parameters, price=self.price, shares=self._shares(repay_raw))

    def _shares(self, repay_raw: int) -> int:
        """Return the shares to repay. Raises ValueError outside the feasible set."""
        if not any(one.least_raw <= repay_raw <= one.most_raw for one in self.feasible):
            raise ValueError(f"{repay_raw} of {self.debt.symbol} is not among the amounts that may be repaid")
        return _shares(self.now, repay_raw)


def closing(
    standing: Standing, parameters: Parameters, *, price: int, shares: int
) -> Close | Refusal | PreRefusal:
    """Return what repaying so many shares does, or why it reverts."""
    return pre_close(
        standing.totals,
        standing.position,
        parameters,
        price=price,
        market_price=standing.price,
        lltv_wad=standing.listing.lltv_wad,
        authorised=True,
        repaid_shares=shares,
    )


def terms_of(terms: PreTerms) -> PreTerms | Declined:
    """Return the terms with all that may be repaid, or why nothing is."""
    now, parameters = terms.now, terms.parameters
    try:
        offered = offer(
            now.totals, now.position, parameters, price=terms.price, lltv_wad=now.listing.lltv_wad
        )
    except Refused as refused:
        return Declined(reason=Reason.INACTIVE, detail=f"any call reverts with {refused}")
    if offered is PreRefusal.LIQUIDATABLE:
        return Declined(reason=Reason.INACTIVE, detail="it is Morpho's own to liquidate")
    if isinstance(offered, PreRefusal):
        limit = parameters.pre_lltv_wad / WAD
        return Declined(reason=Reason.HEALTHY, detail=f"not above a loan-to-value of {limit:.4f}")
    amounts = _amounts(terms)
    if amounts is None:
        return Declined(reason=Reason.DUST, detail="no amount goes through")
    return replace(terms, feasible=(amounts,))


def _amounts(terms: PreTerms) -> Interval | None:
    """Return what may be repaid: from what seizes a unit up to what the offer allows, None where nothing is.

    What goes through does so up to some amount, in which order ever the limits come: the close factor, the
    collateral, and the health that must be left. Nothing may be repaid where not even the least goes through.
    """

    def passes(repay: int) -> bool:
        shares = _shares(terms.now, repay)
        return shares > 0 and isinstance(
            closing(terms.now, terms.parameters, price=terms.price, shares=shares), Close
        )

    totals = terms.now.totals
    if not each_unit_has_shares(totals.borrow_assets, totals.borrow_shares):
        return None
    least = _first(1, terms.owed_raw, lambda repay: not _seizes_nothing(terms, repay))
    if least is None or not passes(least):
        return None
    beyond = _first(least, terms.owed_raw, lambda repay: not passes(repay))
    most = terms.owed_raw if beyond is None else beyond - 1
    return Interval(least_raw=least, most_raw=most)


def _seizes_nothing(terms: PreTerms, repay: int) -> bool:
    shares = _shares(terms.now, repay)
    return shares == 0 or (
        closing(terms.now, terms.parameters, price=terms.price, shares=shares) is PreRefusal.NOTHING_SEIZED
    )


def _shares(standing: Standing, repay_raw: int) -> int:
    """Return the shares whose repay is exactly `repay_raw`; all of them for all that is owed."""
    if repay_raw == standing.owed_raw:
        return standing.position.borrow_shares
    return shares_down(repay_raw, standing.totals.borrow_assets, standing.totals.borrow_shares)


def _first(least: int, most: int, holds: Callable[[int], bool]) -> int | None:
    """Return the first amount that `holds`, which holds for every larger one too; None where none does."""
    if not holds(most):
        return None
    while least < most:
        middle = (least + most) // 2
        if holds(middle):
            most = middle
        else:
            least = middle + 1
    return most
