"""Who goes first of those that share pools, cash, loans and the block's gas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import pytest

from keeper.domain.declined import Declined, Reason
from keeper.planner.contention import Contender, Left, _Contest, order, scarce
from keeper.planner.costs import gas_limit, gas_price_wei
from keeper.planner.drafting import Drafted
from keeper.planner.pairs import Pair
from keeper.planner.proposal import Chosen
from keeper.planner.selection import MOST_EXACT, groups
from tests.unit.planner.crowd import GAS_USED, Crowd, crowd, holder
from tests.unit.planner.unhurried import at_once


def contenders(of: Crowd) -> list[Contender]:
    return [of.planner._contender(of.seen, proposal, of.gas_used, ()) for proposal in of.proposals]


def start(of: Crowd) -> Left:
    return Left(pools=of.seen.pools, gas=of.seen.head.gas_limit, scarce=scarce(contenders(of)))


def total_wei(of: Crowd, order: tuple[int, ...]) -> int:
    """Return what an order brings, sized one after the other: nothing is remembered, and all sized anew."""
    left, total = start(of), 0
    entrants = contenders(of)
    for at in order:
        for priced in entrants[at].priced:
            terms = priced.pairs[0].terms
            for earlier, repay_raw in left.ran:
                if not isinstance(terms, Declined):
                    terms = terms.behind(earlier, repay_raw)
            if isinstance(terms, Declined) or gas_limit(GAS_USED) > left.gas:
                continue
            drawn_raw = sum(
                earlier.settle(repay_raw).seized_raw
                for earlier, repay_raw in left.ran
                if earlier.cash and earlier.cash.holder == holder(terms.debt.symbol)
            )
            available_raw = max(priced.pairs[0].trade.available_raw - drawn_raw, 0)
            pair = priced.pairs[0].on(terms, left.pools, available_raw=available_raw)
            found = of.planner._net([pair], priced.gas_wei) if isinstance(pair, Pair) else None
            if isinstance(pair, Pair) and found is not None:
                total += found[0]
                left = left.after(pair, found[1][0], gas=GAS_USED)
    return total


def vault_wei(chosen: Chosen) -> int:
    return chosen.drafted.draft.close.waterfall.vault_wei if isinstance(chosen.drafted, Drafted) else 0


def net_wei(of: Crowd, chosen: Sequence[Chosen]) -> int:
    """Return what those who run bring together after gas."""
    gas_wei = GAS_USED * gas_price_wei(of.seen.block, of.planner.options)
    return sum(vault_wei(one) - gas_wei for one in chosen if isinstance(one.drafted, Drafted))


def greedy(of: Crowd) -> tuple[int, ...]:
    """Return the order of what each brings alone, the most first."""
    return tuple(sorted(range(len(of.proposals)), key=lambda at: -total_wei(of, (at,))))


def best_wei(of: Crowd) -> int:
    """Return the best total of all orders; a part of them is an order whose rest does not run."""
    return max(total_wei(of, order) for order in permutations(range(len(of.proposals))))


@pytest.mark.parametrize("falling", [True, False], ids=["all sell for dollars", "anything for anything"])
def test_order__some_before_three_pools__equal_brute_force(falling: bool) -> None:
    counts: Counter[str] = Counter()
    for seed in range(3):
        block = crowd(seed, borrowers=3 if falling else 4, falling=falling)
        found = at_once(order(contenders(block), start(block), block.planner._net))
        assert total_wei(block, found) == best_wei(block)
        counts["another than the greedy one"] += found != greedy(block)
    assert counts["another than the greedy one"] >= 1


@pytest.mark.parametrize("falling", [True, False], ids=["all sell for dollars", "anything for anything"])
def test_order__six_before_three_pools__equal_brute_force_but_for_rounding(falling: bool) -> None:
    block = crowd(1, borrowers=MOST_EXACT, falling=falling)
    contest = _Contest(contenders(block), block.planner._net)
    (group,) = groups([contest.uses(at, start(block), crowded=False) for at in range(MOST_EXACT)])
    assert contest.only_falls(group) == falling

    def best_left_wei(rest: frozenset[int], left: Left) -> int:
        """Return the best total of every order of these: those before are played once for all of them."""
        steps = {at: contest.play(at, left) for at in rest}
        return max(
            (step.worth_wei + best_left_wei(rest - {at}, step.after) for at, step in steps.items() if step),
            default=0,
        )

    best = best_left_wei(frozenset(group), start(block))
    found = at_once(order(contenders(block), start(block), block.planner._net, most_exact=MOST_EXACT))
    assert best - best // 10**6 <= total_wei(block, found) <= best
    assert total_wei(block, greedy(block)) < best - best // 10**3


def test_order__cash_for_some__equal_brute_force() -> None:
    counts: Counter[str] = Counter()
    for seed in range(3):
        block = crowd(seed, borrowers=3, falling=False, depth=(7, 8), cash={"WETH": 100, "USDC": 200_000})
        found = at_once(order(contenders(block), start(block), block.planner._net))
        assert total_wei(block, found) == best_wei(block)
        counts["scarce"] += bool(start(block).scarce)
        counts["another than the greedy one"] += found != greedy(block)
    assert counts["scarce"] >= 2
    assert counts["another than the greedy one"] >= 1


def test_order__nine__never_worse_than_greedy() -> None:
    gained = 0
    for seed in range(2):
        block = crowd(seed, borrowers=9, falling=False)
        found = at_once(order(contenders(block), start(block), block.planner._net))
        gained_wei = total_wei(block, found) - total_wei(block, greedy(block))
        assert gained_wei >= 0
        gained += gained_wei > 0
    assert gained >= 1


def test_choose__block_has_gas_for_two__the_best_two_run_and_the_rest_is_told_why() -> None:
    room = crowd(3, borrowers=4, falling=True, depth=(8, 9))
    block = crowd(3, borrowers=4, falling=True, depth=(8, 9), gas_limit=GAS_USED + gas_limit(GAS_USED))
    everybody = room.planner.choose(room.seen, room.proposals, room.gas_used)
    assert sum(isinstance(one.drafted, Drafted) for one in everybody) >= 3
    chosen = block.planner.choose(block.seen, block.proposals, block.gas_used)
    run = [one for one in chosen if isinstance(one.drafted, Drafted)]
    assert len(run) == 2
    assert {one.drafted.reason for one in chosen if isinstance(one.drafted, Declined)} >= {Reason.BLOCK_FULL}
    assert max(map(vault_wei, run)) == max(map(vault_wei, everybody))


def test_choosing__six_that_share_pools__can_be_left_between_any_two_steps_to_the_order() -> None:
    block = crowd(1, borrowers=MOST_EXACT, falling=True)
    steps = list(block.planner.choosing(block.seen, block.proposals, block.gas_used))
    assert steps.count(None) > MOST_EXACT**2
    chosen = block.planner.choose(block.seen, block.proposals, block.gas_used)
    in_order = [one.opportunity.borrower for one in steps if one is not None]
    assert in_order == [one.opportunity.borrower for one in chosen]


def test_choose__another_order_brings_more__followed() -> None:
    better = 0
    for seed in range(6):
        block = crowd(seed, borrowers=4, falling=False)
        chosen = block.planner.choose(block.seen, block.proposals, block.gas_used)
        assert {one.opportunity.borrower for one in chosen} == {
            one.opportunity.borrower for one in block.proposals
        }
        found, alone = (
            list(
                block.planner._run(
                    block.seen,
                    [block.proposals[at] for at in places],
                    block.gas_used,
                    start(block),
                    frozenset(),
                )
            )
            for places in (at_once(order(contenders(block), start(block), block.planner._net)), greedy(block))
        )
        assert list(map(vault_wei, chosen)) == list(map(vault_wei, found))
        better += net_wei(block, found) > net_wei(block, alone)
    assert better >= 1
