"""One position's collateral against its debt: `Terms` for the planner, paid for by Morpho's own callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from keeper.abi import load
from keeper.domain.address import Address
from keeper.domain.calls import Callback, ContractCall, Guard, Spend
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Invariant
from keeper.domain.fixed_point import WAD
from keeper.domain.position import Interval, Settlement, Terms
from keeper.domain.token import Token, TokenAmount
from keeper.protocols.morpho_blue.arithmetic import MAX_UINT, Refusal
from keeper.protocols.morpho_blue.feasible import Feasible, Whole, feasible, part_shares
from keeper.protocols.morpho_blue.liquidation import PRICE_SCALE, Close, close, health_factor_wad, owed_raw
from keeper.protocols.morpho_blue.standing import Standing, behind

_MORPHO = load("morpho_blue")
_LIQUIDATE = _MORPHO.function("liquidate")
_POSITION = _MORPHO.function("position")
_CALLBACK = load("morpho_callbacks").function("onMorphoLiquidate")
_PROGRAM_ARGUMENT = 1
_SHARES_WORD, _COLLATERAL_WORD = 1, 2

_GUARD_SLACK = 1_000
"""A guard lets a thousandth be gone where the call itself does: repaying one unit must not stop us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MorphoTerms:
    """The terms of one position: a :class:`keeper.domain.position.Terms`."""

    morpho: Address
    borrower: Address
    now: Standing
    """At the time of the block that the liquidation is meant for."""
    late: Standing
    """At the deadline."""
    amounts: Feasible
    oracle_unchanged_s: int | None

    # --- what is exchanged

    @property
    def collateral(self) -> Token:
        return self.now.listing.collateral

    @property
    def debt(self) -> Token:
        return self.now.listing.loan

    @property
    def oracle_price(self) -> Fraction:
        return Fraction(self.now.price, PRICE_SCALE)

    @property
    def funds_itself(self) -> bool:
        """Return True: the collateral arrives, the callback runs, then the debt is pulled."""
        return True

    def value_base(self, amount: TokenAmount) -> int:
        """Return an amount's worth in loan token, floored."""
        return amount.raw if amount.token == self.debt else amount.raw * self.now.price // PRICE_SCALE

    # --- how much

    @property
    def owed_raw(self) -> int:
        return self.now.owed_raw

    @property
    def feasible(self) -> tuple[Interval, ...]:
        """Return the amounts that may be repaid: any part, and what takes all of one side."""
        part_raw, whole_raw = self.amounts.part_most_raw, self.amounts.whole_raw
        if part_raw == whole_raw - 1:
            return (Interval(least_raw=1, most_raw=whole_raw),)
        whole = Interval(least_raw=whole_raw, most_raw=whole_raw)
        return (Interval(least_raw=1, most_raw=part_raw), whole) if part_raw else (whole,)

    def settle(self, repay_raw: int) -> Settlement:
        """Return what repaying `repay_raw` moves. Raises ValueError outside the feasible set."""
        now = self._close(repay_raw)
        late = self._closed_at(self.late, repay_raw)
        closes = (now,) if isinstance(late, Refusal) else (now, late)
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
        """Return the health factor after repaying `repay_raw`. Raises ValueError outside the feasible set."""
        after = self._close(repay_raw)
        return health_factor_wad(
            after.totals, after.position, price=self.now.price, lltv_wad=self.now.listing.lltv_wad
        )

    def repay_for_health(self, target_wad: int) -> int | None:
        """Return the smallest feasible repay that leaves at least `target_wad` of health, or None.

        What is left of collateral and of debt can only fall as more is repaid. So between two amounts health
        is nowhere better than with the collateral of the first and the debt of the second.
        """

        def reaches(repay: int) -> bool:
            return self.health_after_wad(repay) >= target_wad

        def may_reach(least: int, most: int) -> bool:
            held, owed = self._close(least), self._close(most)
            may_owe = held.position.collateral * self.now.price * self.now.listing.lltv_wad
            owes = owed_raw(owed.totals, owed.position)
            return may_owe >= target_wad * owes * PRICE_SCALE

        reaching = (_smallest(one.least_raw, one.most_raw, reaches, may_reach) for one in self.feasible)
        return next((repay for repay in reaching if repay is not None), None)

    # --- how it is done

    def call(self, repay_raw: int) -> ContractCall:
        """Return the call; its callback lets as much be pulled as is owed if it runs at the deadline."""
        seized_raw, shares = self._asked(repay_raw)
        repaid = Spend(token=self.debt.address, amount_raw=self.settle(repay_raw).repaid_limit_raw)
        return ContractCall(
            target=self.morpho,
            data=_LIQUIDATE.encode(self.now.listing.params, self.borrower, seized_raw, shares, b""),
            callback=Callback(
                caller=self.morpho,
                selector=_CALLBACK.selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=None,
                answer=b"",
                repay=repaid,
            ),
        )

    def guards(self, repay_raw: int) -> tuple[Guard, ...]:
        """Return two reads: the borrower still owes, and still has, what the call takes.

        Shares do not grow with time: they fall by a repay or a rival's liquidation.
        """
        after = self._close(repay_raw)
        has = self.now.position
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

    def behind(self, earlier: Terms, repay_raw: int) -> MorphoTerms | Declined:
        """Return the terms after an earlier close; others where that is in the same market."""
        stands = behind(self, earlier, repay_raw)
        if stands is None:
            return self
        now, late = stands
        return terms_of(
            self.morpho, self.borrower, now=now, late=late, oracle_unchanged_s=self.oracle_unchanged_s
        )

    # --- inside

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

    def _close(self, repay_raw: int) -> Close:
        closed = self._closed_at(self.now, repay_raw)
        if isinstance(closed, Refusal) or closed.repaid_raw != repay_raw:
            raise Invariant(f"repaying {repay_raw} was feasible, and came out as {closed}")
        return closed

    def _closed_at(self, standing: Standing, repay_raw: int) -> Close | Refusal:
        seized_raw, shares = self._asked(repay_raw)
        return close(
            standing.totals,
            standing.position,
            price=standing.price,
            lltv_wad=standing.listing.lltv_wad,
            seized_raw=seized_raw,
            repaid_shares=shares,
        )


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
        amounts=amounts,
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


def _smallest(
    least: int, most: int, reaches: Callable[[int], bool], may_reach: Callable[[int, int], bool]
) -> int | None:
    """Return the smallest amount that `reaches`, skipping each range in which nothing `may_reach`."""
    ranges = [(least, most)]
    while ranges:
        low, high = ranges.pop()
        if reaches(low):
            return low
        if low < high and may_reach(low, high):
            middle = (low + high) // 2
            ranges.append((middle + 1, high))
            if low < middle:
                ranges.append((low + 1, middle))
    return None
