"""One position's collateral against its debt: `Terms` for the planner, paid for by Morpho's own callback."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.abi import load
from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import WAD
from keeper.domain.position import Terms
from keeper.domain.token import TokenAmount
from keeper.protocols.morpho_blue.arithmetic import Refusal
from keeper.protocols.morpho_blue.feasible import Feasible, Whole, feasible, part_shares
from keeper.protocols.morpho_blue.liquidation import Close, close
from keeper.protocols.morpho_blue.position_terms import PositionTerms
from keeper.protocols.morpho_blue.standing import Standing

_LIQUIDATE = load("morpho_blue").function("liquidate")
_CALLBACK = load("morpho_callbacks").function("onMorphoLiquidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class MorphoTerms(PositionTerms):
    """The terms of one position, closed by Morpho itself."""

    amounts: Feasible

    def call(self, repay_raw: int) -> ContractCall:
        """Return the call; its callback lets as much be pulled as is owed if it runs at the deadline."""
        seized_raw, shares = self._asked(repay_raw)
        data = _LIQUIDATE.encode(self.now.listing.params, self.borrower, seized_raw, shares, b"")
        return self.paid_back(self.morpho, data, callback=_CALLBACK, repay_raw=repay_raw)

    def behind(self, earlier: Terms, repay_raw: int) -> MorphoTerms | Declined:
        """Return the terms after an earlier close; others where that is in the same market."""
        stands = self.stands_behind(earlier, repay_raw)
        if stands is None:
            return self
        now, late = stands
        return terms_of(
            self.morpho, self.borrower, now=now, late=late, oracle_unchanged_s=self.oracle_unchanged_s
        )

    def closed_at(self, standing: Standing, repay_raw: int) -> Close | Refusal:
        seized_raw, shares = self._asked(repay_raw)
        return close(
            standing.totals,
            standing.position,
            price=standing.price,
            lltv_wad=standing.listing.lltv_wad,
            seized_raw=seized_raw,
            repaid_shares=shares,
        )

    def _asked(self, repay_raw: int) -> tuple[int, int]:
        """Return what to seize and which shares to repay, one of them 0.

        Raises ValueError outside the feasible set.
        """
        if repay_raw == self.amounts.whole_raw:
            match self.amounts.whole:
                case Whole.ALL_DEBT:
                    return 0, self.now.position.borrow_shares
                case Whole.ALL_COLLATERAL:
                    return self.now.position.collateral, 0
        if not 1 <= repay_raw <= self.amounts.part_most_raw:
            raise ValueError(f"{repay_raw} of {self.debt.symbol} is not among the amounts that may be repaid")
        return 0, part_shares(self.now, repay_raw)


def terms_of(
    morpho: Address, borrower: Address, *, now: Standing, late: Standing, oracle_unchanged_s: int | None
) -> MorphoTerms | Declined:
    """Return the terms of a position that stands so, or why nothing of it is closed."""
    if now.health_factor_wad >= WAD:
        return Declined(reason=Reason.HEALTHY, detail=f"health factor {now.health_factor_wad / 1e18:.4f}")
    if now.position.collateral == 0:
        owed = TokenAmount(token=now.listing.loan, raw=now.owed_raw)
        return Declined(reason=Reason.BAD_DEBT, detail=f"{owed} are owed, and there is no collateral")
    amounts = feasible(now, late)
    if amounts is None:
        return Declined(reason=Reason.DUST, detail="no amount of whole shares may be repaid")
    terms = MorphoTerms(
        morpho=morpho,
        borrower=borrower,
        now=now,
        late=late,
        price=now.price,
        limit_wad=now.listing.lltv_wad,
        amounts=amounts,
        feasible=amounts.intervals,
        oracle_unchanged_s=oracle_unchanged_s,
    )
    return _insolvent(terms) or terms


def _insolvent(terms: MorphoTerms) -> Declined | None:
    """Return why a position is left alone that leaves more bad debt than its closing can win, or None.

    Both by the oracle: others have left such a position alone too, or its oracle is wrong about it.
    """
    whole = terms.settle(terms.amounts.whole_raw)
    won_raw = terms.value_base(TokenAmount(token=terms.collateral, raw=whole.seized_raw)) - whole.repaid_raw
    if whole.bad_debt_base <= won_raw:
        return None
    bad, won = (TokenAmount(token=terms.debt, raw=raw) for raw in (whole.bad_debt_base, won_raw))
    return Declined(reason=Reason.BAD_DEBT, detail=f"{bad} would be left, where at most {won} can be won")
