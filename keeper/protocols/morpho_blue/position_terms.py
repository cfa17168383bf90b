"""What the terms of Morpho's positions have in common, by whichever contract one is closed.

Both pay for themselves: the collateral arrives, the contract calls back, then it pulls the debt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

from keeper.abi import Function, load
from keeper.domain.address import Address
from keeper.domain.calls import Callback, ContractCall, Guard, Spend
from keeper.domain.errors import Invariant
from keeper.domain.position import Interval, Settlement, Terms
from keeper.domain.search import smallest
from keeper.domain.token import Token, TokenAmount
from keeper.protocols.morpho_blue.arithmetic import MAX_UINT
from keeper.protocols.morpho_blue.liquidation import PRICE_SCALE, Close, health_factor_wad, owed_raw
from keeper.protocols.morpho_blue.standing import Standing, valued

_POSITION = load("morpho_blue").function("position")
_PROGRAM_ARGUMENT = 1
_SHARES_WORD, _COLLATERAL_WORD = 1, 2

_GUARD_SLACK = 1_000
"""A guard lets a thousandth be gone where the call itself does: repaying one unit must not stop us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionTerms(ABC):
    """One position's collateral against its debt: a :class:`keeper.domain.position.Terms`."""

    morpho: Address
    borrower: Address
    now: Standing
    """By the market's oracle, at the time of the block that the close is meant for."""
    late: Standing
    """At the deadline."""
    price: int
    """Of the oracle that the close goes by, in loan token, times `PRICE_SCALE`."""
    limit_wad: int
    """The loan-to-value by that price, above which the position may be closed."""
    feasible: tuple[Interval, ...]
    """The amounts that may be repaid."""
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
        now, late = self.left(repay_raw)
        closes = (now,) if late is None else (now, late)
        return Settlement(
            repaid_raw=now.repaid_raw,
            seized_raw=now.seized_raw,
            protocol_fee_raw=0,
            repaid_limit_raw=max(one.repaid_raw for one in closes),
            seized_least_raw=min(one.seized_raw for one in closes),
            clears_debt=now.repaid_shares == self.now.position.borrow_shares,
            bad_debt_base=now.bad_debt_raw,
        )

    def health_after_wad(self, repay_raw: int) -> int:
        """Return the health after repaying `repay_raw`: below 1e18 it may be closed again.

        Raises ValueError outside the feasible set.
        """
        after = self._close(repay_raw)
        return health_factor_wad(after.totals, after.position, price=self.price, lltv_wad=self.limit_wad)

    def repay_for_health(self, target_wad: int) -> int | None:
        """Return the smallest feasible repay that leaves at least `target_wad` of health, or None.

        What is left of collateral and of debt can only fall as more is repaid. So between two amounts health
        is nowhere better than with the collateral of the first and the debt of the second.
        """

        def reaches(repay: int) -> bool:
            return self.health_after_wad(repay) >= target_wad

        def may_reach(least: int, most: int) -> bool:
            held, owed = self._close(least), self._close(most)
            may_owe = held.position.collateral * self.price * self.limit_wad
            return may_owe >= target_wad * owed_raw(owed.totals, owed.position) * PRICE_SCALE

        reaching = (smallest(one.least_raw, one.most_raw, reaches, may_reach) for one in self.feasible)
        return next((repay for repay in reaching if repay is not None), None)

    def left(self, repay_raw: int) -> tuple[Close, Close | None]:
        """Return what repaying `repay_raw` does now, and at the deadline; None where it reverts then."""
        late = self.closed_at(self.late, repay_raw)
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

    def stands_behind(self, earlier: Terms, repay_raw: int) -> tuple[Standing, Standing] | None:
        """Return how it stands, now and at the deadline, behind a close earlier in the same block.

        None where that one is elsewhere. Morpho rounds what is repaid up to a whole unit, to the gain of the
        rest of the market: the same shares are then worth a unit less, and seize less.
        """
        if not isinstance(earlier, PositionTerms) or earlier.shared_book != self.shared_book:
            return None
        own = self.borrower == earlier.borrower

        def after(standing: Standing, close: Close) -> Standing:
            position = close.position if own else standing.position
            return valued(standing.listing, close.totals, position, standing.price)

        now, late = earlier.left(repay_raw)
        return after(self.now, now), self.late if late is None else after(self.late, late)

    # --- how it is done

    def guards(self, repay_raw: int) -> tuple[Guard, ...]:
        """Return two reads: the borrower still owes, and still has, what the call takes.

        Shares do not grow with time: they fall by a repay or a rival's liquidation.
        """
        after, has = self._close(repay_raw), self.now.position
        shares, collateral = (
            max(all_ - all_ // _GUARD_SLACK, taken)
            for all_, taken in (
                (has.borrow_shares, after.repaid_shares),
                (has.collateral, after.seized_raw),
            )
        )
        data = _POSITION.encode(self.now.listing.id, self.borrower)
        return tuple(
            Guard(target=self.morpho, data=data, word_index=word, least=least, most=MAX_UINT)
            for word, least in ((_SHARES_WORD, shares), (_COLLATERAL_WORD, collateral))
        )

    @abstractmethod
    def closed_at(self, standing: Standing, repay_raw: int) -> object:
        """Return the `Close` that repaying `repay_raw` is where the position stands so, or why it reverts.

        Raises ValueError outside the feasible set.
        """

    def paid_back(self, target: Address, data: bytes, *, callback: Function, repay_raw: int) -> ContractCall:
        """Return the call; its callback lets as much be pulled as is owed if it runs at the deadline."""
        return ContractCall(
            target=target,
            data=data,
            callback=Callback(
                caller=target,
                selector=callback.selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=None,
                answer=b"",
                repay=Spend(token=self.debt.address, amount_raw=self.settle(repay_raw).repaid_limit_raw),
            ),
        )

    def _close(self, repay_raw: int) -> Close:
        closed = self.closed_at(self.now, repay_raw)
        if not isinstance(closed, Close) or closed.repaid_raw != repay_raw:
            raise Invariant(f"repaying {repay_raw} was feasible, and came out as {closed}")
        return closed
