"""An opted-in position before its liquidation: `Terms`, paid for by the contract's own callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from keeper.abi import load
from keeper.domain.address import Address
from keeper.domain.calls import Callback, ContractCall, Guard, Spend
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Invariant
from keeper.domain.fixed_point import WAD
from keeper.domain.position import Interval, Settlement, Terms
from keeper.domain.token import Token, TokenAmount
from keeper.protocols.morpho_blue.arithmetic import (
    MAX_UINT,
    Refusal,
    Refused,
    each_unit_has_shares,
    shares_down,
)
from keeper.protocols.morpho_blue.liquidation import PRICE_SCALE, Close, health_factor_wad, owed_raw
from keeper.protocols.morpho_blue.pre_liquidation.arithmetic import Parameters, PreRefusal, offer, pre_close
from keeper.protocols.morpho_blue.standing import Standing, behind

_PRE_LIQUIDATE = load("morpho_pre_liquidation").function("preLiquidate")
_POSITION = load("morpho_blue").function("position")
_CALLBACK = load("morpho_callbacks").function("onPreLiquidate")
_PROGRAM_ARGUMENT = 1
_SHARES_WORD, _COLLATERAL_WORD = 1, 2
_GUARD_SLACK = 1_000
"""A guard lets a thousandth be gone: repaying one unit must not stop us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreTerms:
    """The terms of one position: a :class:`keeper.domain.position.Terms`."""

    contract: Address
    morpho: Address
    borrower: Address
    parameters: Parameters
    price: int
    """Of the contract's own oracle."""
    now: Standing
    """By the market's oracle, at the time of the block that the close is meant for."""
    late: Standing
    """At the deadline."""
    feasible: tuple[Interval, ...]
    oracle_unchanged_s: int | None = None

    # --- what is exchanged

    @property
    def collateral(self) -> Token:
        return self.now.listing.collateral

    @property
    def debt(self) -> Token:
        return self.now.listing.loan

    @property
    def oracle_price(self) -> Fraction:
        return Fraction(self.price, PRICE_SCALE)

    @property
    def funds_itself(self) -> bool:
        """Return True: the collateral arrives, the callback runs, then the debt is pulled."""
        return True

    def value_base(self, amount: TokenAmount) -> int:
        """Return an amount's worth in loan token, floored."""
        return amount.raw if amount.token == self.debt else amount.raw * self.price // PRICE_SCALE

    # --- how much

    @property
    def owed_raw(self) -> int:
        return self.now.owed_raw

    def settle(self, repay_raw: int) -> Settlement:
        """Return what repaying `repay_raw` moves. Raises ValueError outside the feasible set."""
        now, late = self._close(repay_raw), self._closed_at(self.late, repay_raw)
        closes = (now, late) if isinstance(late, Close) else (now,)
        return Settlement(
            repaid_raw=now.repaid_raw,
            seized_raw=now.seized_raw,
            protocol_fee_raw=0,
            repaid_limit_raw=max(one.repaid_raw for one in closes),
            seized_least_raw=min(one.seized_raw for one in closes),
            clears_debt=now.position.borrow_shares == 0,
            bad_debt_base=0,
        )

    def health_after_wad(self, repay_raw: int) -> int:
        """Return the health after repaying `repay_raw`: how far it is from being pre-liquidated again."""
        after = self._close(repay_raw)
        return health_factor_wad(
            after.totals, after.position, price=self.price, lltv_wad=self.parameters.pre_lltv_wad
        )

    def repay_for_health(self, target_wad: int) -> int | None:
        """Return the smallest feasible repay that leaves at least `target_wad` of health, or None.

        What is left of collateral and of debt can only fall as more is repaid. So between two amounts health
        is nowhere better than with the collateral of the first and the debt of the second.
        """

        def may_reach(least: int, most: int) -> bool:
            held, owed = self._close(least), self._close(most)
            may_owe = held.position.collateral * self.price * self.parameters.pre_lltv_wad
            return may_owe >= target_wad * owed_raw(owed.totals, owed.position) * PRICE_SCALE

        for interval in self.feasible:
            ranges = [(interval.least_raw, interval.most_raw)]
            while ranges:
                low, high = ranges.pop()
                if self.health_after_wad(low) >= target_wad:
                    return low
                if low < high and may_reach(low, high):
                    middle = (low + high) // 2
                    ranges.append((middle + 1, high))
                    if low < middle:
                        ranges.append((low + 1, middle))
        return None

    # --- how it is done

    def call(self, repay_raw: int) -> ContractCall:
        """Return the call; its callback lets as much be pulled as is owed if it runs at the deadline."""
        repaid = Spend(token=self.debt.address, amount_raw=self.settle(repay_raw).repaid_limit_raw)
        return ContractCall(
            target=self.contract,
            data=_PRE_LIQUIDATE.encode(self.borrower, 0, self._shares(repay_raw), b""),
            callback=Callback(
                caller=self.contract,
                selector=_CALLBACK.selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=None,
                answer=b"",
                repay=repaid,
            ),
        )

    def guards(self, repay_raw: int) -> tuple[Guard, ...]:
        """Return two reads: the borrower still owes, and still has, what the terms were computed from."""
        has = self.now.position
        data = _POSITION.encode(self.now.listing.id, self.borrower)
        words = (
            (_SHARES_WORD, has.borrow_shares - has.borrow_shares // _GUARD_SLACK),
            (_COLLATERAL_WORD, has.collateral - has.collateral // _GUARD_SLACK),
        )
        return tuple(
            Guard(target=self.morpho, data=data, word_index=word, least=least, most=MAX_UINT)
            for word, least in words
        )

    def left(self, repay_raw: int) -> tuple[Close, Close | None]:
        late = self._closed_at(self.late, repay_raw)
        return self._close(repay_raw), late if isinstance(late, Close) else None

    @property
    def cash(self) -> None:
        """Return None: Morpho keeps each borrower's collateral."""
        return None

    @property
    def shared_book(self) -> bytes:
        """Return the market: what is repaid rounds up to the gain of all that borrowed there."""
        return self.morpho + self.now.listing.id

    def reopened(self) -> None:
        """Return None: one call may close all that two may."""
        return

    def behind(self, earlier: Terms, repay_raw: int) -> PreTerms | Declined:
        """Return the terms after an earlier close; others where that is in the same market."""
        stands = behind(self, earlier, repay_raw)
        if stands is None:
            return self
        now, late = stands
        return terms_of(replace(self, now=now, late=late, feasible=()))

    # --- inside

    def _shares(self, repay_raw: int) -> int:
        """Return the shares to repay. Raises ValueError outside the feasible set."""
        if not any(one.least_raw <= repay_raw <= one.most_raw for one in self.feasible):
            raise ValueError(f"{repay_raw} of {self.debt.symbol} is not among the amounts that may be repaid")
        return _shares(self.now, repay_raw)

    def _close(self, repay_raw: int) -> Close:
        closed = self._closed_at(self.now, repay_raw)
        if not isinstance(closed, Close) or closed.repaid_raw != repay_raw:
            raise Invariant(f"repaying {repay_raw} was feasible, and came out as {closed}")
        return closed

    def _closed_at(self, standing: Standing, repay_raw: int) -> Close | Refusal | PreRefusal:
        return closing(standing, self.parameters, price=self.price, shares=self._shares(repay_raw))


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
