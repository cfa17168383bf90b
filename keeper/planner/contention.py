"""What closes of one block take from each other, and whom to close first for the highest total.

They may share pools, the cash that a collateral is paid out of and loans come from, accounts in which every
close changes the others' terms, and the block's gas. For the order every close is sized again on what those
before it leave, through the routes that it takes alone and at the gas that its simulation used: whoever
follows the order looks for routes again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from keeper.domain.address import Address
from keeper.domain.declined import Declined
from keeper.domain.depth import Pool
from keeper.domain.funding import Offer
from keeper.domain.position import Opportunity, Settlement, Terms
from keeper.planner.costs import gas_limit
from keeper.planner.evaluation import Evaluation
from keeper.planner.funding import Loan
from keeper.planner.pairs import Pair
from keeper.planner.parallel import Depth
from keeper.planner.selection import MOST_EXACT, ROUNDING, Step, Unhurried, best_order, groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What those that went first have left."""

    pools: Mapping[Address, Pool]
    gas: int
    """That the block still has room for."""
    scarce: frozenset[Address] = frozenset()
    """The holders of cash that does not suffice for all."""
    ran: tuple[tuple[Terms, int], ...] = ()
    """The terms of those before, and how much of each was repaid."""

    def after(self, pair: Pair, size: Evaluation, *, gas: int) -> Left:
        """Return what is left after one more."""
        # only its own: it may have been sized before the others changed theirs
        pools = Depth.of(self.pools).after({pool: size.pools_after[pool] for pool in pair.pools})
        ran = (*self.ran, (pair.terms, size.repay_raw))
        return replace(self, pools=pools, gas=self.gas - gas, ran=ran)

    def bearing_on(self, terms: Iterable[Terms]) -> tuple[tuple[Terms, int], ...]:
        """Return those before that have changed any of these terms."""
        books = {one.shared_book for one in terms} - {None}
        holders = {one.cash.holder for one in terms if one.cash} & self.scarce
        return tuple(
            (earlier, repay_raw)
            for earlier, repay_raw in self.ran
            if earlier.shared_book in books or (earlier.cash and earlier.cash.holder in holders)
        )

    def opportunity(self, opportunity: Opportunity) -> Opportunity:
        """Return what is left of an opportunity; itself where nothing of it changed."""
        for earlier, repay_raw in self.bearing_on(opportunity.terms):
            opportunity = opportunity.behind(earlier, repay_raw)
        return opportunity

    def terms(self, terms: Terms) -> Terms | Declined:
        """Return what is left of one pair's terms."""
        left: Terms | Declined = terms
        for earlier, repay_raw in self.bearing_on([terms]):
            if isinstance(left, Declined):
                break
            left = left.behind(earlier, repay_raw)
        return left

    def offer(self, offer: Offer) -> Offer:
        """Return what is still lent of it: liquidations before were paid out of the same cash."""
        if offer.holder not in self.scarce:
            return offer
        drawn_raw = sum(
            terms.settle(repay_raw).seized_raw
            for terms, repay_raw in self.ran
            if terms.cash and terms.cash.holder == offer.holder
        )
        return replace(offer, available_raw=max(offer.available_raw - drawn_raw, 0))

    def lends_less(self, pair: Pair) -> bool:
        """Return whether less is left of the loan that a pair counts on."""
        offer = _offer_of(pair)
        return offer is not None and self.offer(offer) != offer

    def offers(self, offers: Mapping[str, Sequence[Offer]]) -> Mapping[str, Sequence[Offer]]:
        """Return what is still lent."""
        if not self.scarce:
            return offers
        return {lender: tuple(map(self.offer, ones)) for lender, ones in offers.items()}


class Priced(NamedTuple):
    """Pairs that are closed one after the other, what that uses of the block's gas, and what it costs."""

    pairs: tuple[Pair, ...]
    gas: int
    gas_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One borrower, with every pair that may turn out to be the best."""

    priced: tuple[Priced, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(pair for one in self.priced for pair in one.pairs)

    @property
    def terms(self) -> tuple[Terms, ...]:
        return tuple(pair.terms for pair in self.pairs)

    @property
    def pools(self) -> frozenset[Address]:
        """Return every pool that a close may pass through."""
        return frozenset(pool for pair in self.pairs for pool in pair.pools)

    @property
    def sold(self) -> frozenset[tuple[Address, Address]]:
        """Return what a close may sell into which pool: pool and token."""
        return frozenset(
            (hop.pool, hop.token_in)
            for pair in self.pairs
            for route in (*pair.trade.buys, *pair.trade.sells)
            for hop in route.hops
        )

    @property
    def gas(self) -> int:
        """Return the most gas that a close must be allowed."""
        return max((gas_limit(one.gas) for one in self.priced), default=0)

    def draws_raw(self) -> Mapping[Address, int]:
        """Return by holder of cash how much one close may need of it at most, to seize or to borrow."""
        most: dict[Address, int] = {}
        for pair in self.pairs:
            settlement = pair.terms.settle(pair.terms.feasible[-1].most_raw)
            needs: list[tuple[Address | None, int]] = [
                (pair.terms.cash.holder if pair.terms.cash else None, settlement.seized_raw),
                (_lent_by(pair), _borrowed_at_most_raw(pair, settlement)),
            ]
            for holder, raw in needs:
                if holder is not None:
                    most[holder] = max(most.get(holder, 0), raw)
        return most


Net: TypeAlias = Callable[[Sequence[Pair], int], tuple[int, tuple[Evaluation, ...]] | None]
"""What pairs bring together after so much wei of gas, with each one's size; None if too little."""


def scarce(contenders: Sequence[Contender]) -> frozenset[Address]:
    """Return the holders of cash that would not suffice for the largest closes of all."""
    needed: Counter[Address] = Counter()
    has: dict[Address, int] = {}
    for one in contenders:
        needed.update(one.draws_raw())
        for pair in one.pairs:
            if pair.terms.cash:
                has[pair.terms.cash.holder] = pair.terms.cash.raw
            if (holder := _lent_by(pair)) is not None:
                has.setdefault(holder, pair.trade.available_raw)
    return frozenset(holder for holder, raw in needed.items() if raw > has[holder])


def order(
    contenders: Sequence[Contender], start: Left, net: Net, *, most_exact: int = MOST_EXACT
) -> Unhurried[tuple[int, ...]]:
    """Return the order of all contenders that brings most in total, by their places."""
    places = range(len(contenders))
    if len(places) < 2:
        return tuple(places)
    contest = _Contest(contenders, net)
    alone_wei: list[int] = []
    for at in places:
        step = contest.play(at, start)
        alone_wei.append(step.worth_wei if step else 0)
        yield
    crowded = sum(one.gas for one in contenders) > start.gas
    best: list[tuple[int, ...]] = []
    for group in groups([contest.uses(at, start, crowded=crowded) for at in places]):
        found = yield from best_order(
            group,
            start,
            contest.play,
            covers=contest.covers,
            only_falls=contest.only_falls(group),
            most_exact=most_exact,
        )
        best.append(found)
    return _merged(best, alone_wei)


def _merged(orders: Sequence[tuple[int, ...]], alone_wei: Sequence[int]) -> tuple[int, ...]:
    """Return orders that bear on nothing of each other's as one, of all that come next the best first."""
    merged: list[int] = []
    left = list(orders)
    while left:
        at = max(range(len(left)), key=lambda one: alone_wei[left[one][0]])
        first, *rest = left.pop(at)
        merged.append(first)
        if rest:
            left.append(tuple(rest))
    return tuple(merged)


class _Contest:
    """Plays the contenders one after another, and nothing twice that the others did not change."""

    def __init__(self, contenders: Sequence[Contender], net: Net) -> None:
        self._contenders = contenders
        self._net = net
        self._pools = [sorted(one.pools) for one in contenders]
        self._sold = [one.sold for one in contenders]
        self._known: dict[Hashable, tuple[Left, _Played | None]] = {}

    def uses(self, at: int, start: Left, *, crowded: bool) -> frozenset[Hashable]:
        """Return what a contender may share with others."""
        one = self._contenders[at]
        books = {terms.shared_book for terms in one.terms} - {None}
        return frozenset({*one.pools, *books, *(one.draws_raw().keys() & start.scarce), *("gas",) * crowded})

    def only_falls(self, group: Iterable[int]) -> bool:
        """Return whether all pass through their common pools in the same direction."""
        sold = frozenset().union(*(self._sold[at] for at in group))
        return len({pool for pool, _ in sold}) == len(sold)

    def covers(self, one: Left, other: Left, items: Collection[int]) -> bool:
        """Return whether one state leaves each of these no less than another does, but for rounding.

        A pool that was sold into as far is the same again, whoever sold: its price tells all.
        """
        if one.gas < other.gas and one.gas < sum(self._contenders[at].gas for at in items):
            return False
        terms = [terms for at in items for terms in self._contenders[at].terms]
        if _as_set(one.bearing_on(terms)) != _as_set(other.bearing_on(terms)):
            return False
        sold = frozenset().union(*(self._sold[at] for at in items))
        return all(_gives_no_less(one.pools[pool], other.pools[pool], token) for pool, token in sold)

    def play(self, at: int, left: Left) -> Step[Left] | None:
        """Return what a contender brings on what is left, and what it leaves then."""
        one = self._contenders[at]
        before = tuple((id(terms), repay_raw) for terms, repay_raw in left.bearing_on(one.terms))
        drawn = tuple(left.offer(offer).available_raw for offer in map(_offer_of, one.pairs) if offer)
        pools = tuple(id(left.pools[pool]) for pool in self._pools[at])
        key = (at, pools, before, drawn, left.gas < one.gas and left.gas)
        if key not in self._known:
            # with the state, which keeps what its ids are of alive
            self._known[key] = left, self._best(one, left)
        best = self._known[key][1]
        if best is None:
            return None
        for pair, size in best.sized:
            left = left.after(pair, size, gas=0)
        return Step(best.net_wei, replace(left, gas=left.gas - best.gas))

    def _best(self, one: Contender, left: Left) -> _Played | None:
        best: _Played | None = None
        for priced in one.priced:
            pairs = _left_of(priced.pairs, left)
            if pairs is None or gas_limit(priced.gas) > left.gas:
                continue
            found = self._net(pairs, priced.gas_wei)
            if found is not None and (best is None or found[0] > best.net_wei):
                best = _Played(found[0], priced.gas, tuple(zip(pairs, found[1], strict=True)))
        return best


def _as_set(ran: Iterable[tuple[Terms, int]]) -> frozenset[tuple[int, int]]:
    return frozenset((id(terms), repay_raw) for terms, repay_raw in ran)


def _gives_no_less(pool: Pool, other: Pool, token: Address) -> bool:
    """Return whether the first unit that is sold into a pool brings no less than in another state of it."""
    if pool is other:
        return True
    first, others = next(pool.segments(token), None), next(other.segments(token), None)
    if first is None or others is None:
        return others is None
    return first.a * others.b * (ROUNDING + 1) >= others.a * first.b * ROUNDING


class _Played(NamedTuple):
    """What a contender brings, for how much gas, and at which sizes of which pairs."""

    net_wei: int
    gas: int
    sized: tuple[tuple[Pair, Evaluation], ...]


def _left_of(pairs: Sequence[Pair], left: Left) -> tuple[Pair, ...] | None:
    """Return pairs on what is left, each on the pools that the one before leaves at its best size.

    A later close keeps the terms that it had behind the first: they are exact once it is proposed again.
    """
    found: list[Pair] = []
    pools = left.pools
    for pair in pairs:
        again = _on(pair, left, pools)
        if again is None:
            return None
        found.append(again)
        pools = Depth.of(pools).after({pool: again.best.pools_after[pool] for pool in again.pools})
    return tuple(found)


def _on(pair: Pair, left: Left, pools: Mapping[Address, Pool]) -> Pair | None:
    """Return a pair on these pools and on what is left else; itself where that is what it was sized on."""
    terms, offer = left.terms(pair.terms), _offer_of(pair)
    if isinstance(terms, Declined):
        return None
    available_raw = pair.trade.available_raw if offer is None else left.offer(offer).available_raw
    unchanged = all(pools[pool] is pair.trade.pools[pool] for pool in pair.pools)
    if unchanged and terms is pair.terms and available_raw == pair.trade.available_raw:
        return pair
    again = pair.on(terms, pools, available_raw=available_raw)
    return again if isinstance(again, Pair) else None


def _offer_of(pair: Pair) -> Offer | None:
    return pair.funding.offer if isinstance(pair.funding, Loan) else None


def _borrowed_at_most_raw(pair: Pair, settlement: Settlement) -> int:
    return settlement.seized_raw if pair.trade.borrows_collateral else settlement.repaid_limit_raw


def _lent_by(pair: Pair) -> Address | None:
    offer = _offer_of(pair)
    return offer.holder if offer else None
