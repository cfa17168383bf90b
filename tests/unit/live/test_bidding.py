"""Bids learned from a real journal: what won, what was beaten and by how much; and a rival that changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from keeper.domain.address import Hash32
from keeper.domain.events import Concluded, Degraded, Event, Raced, Reopened
from keeper.domain.plan import Bid, Fees, Plan, Waterfall
from keeper.domain.submission import Expired, Included, Outcome, Submission
from keeper.live.bidding import LearnedBids
from keeper.store import SqliteJournal
from keeper.submitter.bidding import Auction, Bounds
from tests.unit.domain.test_race import race
from tests.unit.store.test_journal import DRAFT, submission

BOUNDS = Bounds(least_bps=500, most_bps=9_000, step_bps=500)
PROFIT_WEI = 10**17
LOST = Expired(head_number=5, why="not in block 5")
AUCTIONS = 90


def won(share_bps: int) -> Included:
    return Included(
        block_number=5,
        block_hash=Hash32(b"\x05" * 32),
        gas_used=1,
        effective_gas_price_wei=1,
        vault_profit_wei=PROFIT_WEI,
        tip_wei=PROFIT_WEI * share_bps // 10_000,
    )


class Market:
    """A journal that is written as the keeper and its recorder write it."""

    def __init__(self, path: Path) -> None:
        self.journal = SqliteJournal.open(path, chain_id=1)
        self.heard: list[Event] = []
        self.bids = LearnedBids(BOUNDS, self.journal, listen=self.heard.append)
        self._serial = 0

    def auction(
        self,
        share_bps: int | None,
        outcome: Outcome,
        *,
        rival_wei: int | None = None,
        taken: int = 0,
        rung: int = 0,
        channel: str = "bundle",
    ) -> Submission:
        """Have a bid come out so; a rival that was seen to win paid so much, or an unknown sum if below 0.

        The rival took the position at place `taken` of those that were to be closed.
        """
        self._serial += 1
        head = submission().head_number + self._serial
        one = replace(
            submission(self._serial),
            head_number=head,
            target_block=head + 1,
            channels=(channel,),
            rung=rung,
        )
        self.journal.intended(one)
        bid = None if share_bps is None else Bid(share_bps=share_bps, of_wei=PROFIT_WEI)
        fees = Fees(gas_limit=1, max_fee_per_gas_wei=1, max_priority_fee_per_gas_wei=1)
        nothing = Waterfall(bonus_wei=0, price_impact_wei=0, flash_fee_wei=0, gas_wei=0)
        self.journal.planned(one, Plan(draft=DRAFT, gas_used=1, waterfall=nothing, fees=fees, bid=bid))
        self.journal.concluded(one, outcome)
        self.bids(Concluded(submission=one, outcome=outcome))
        if rival_wei is not None:
            lost = race()
            position = one.positions[taken]
            told = replace(
                lost,
                liquidation=replace(lost.liquidation, position=position, block_number=one.head_number + 1),
                winner=replace(lost.winner, bid_wei=None if rival_wei < 0 else rival_wei),
            )
            self.journal.raced(told)
            self.bids(Raced(race=told))
        return one


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    one = Market(tmp_path / "journal.sqlite")
    yield one
    one.journal.close()


def test_auctions__won_beaten_and_nobodys__only_those_that_tell(tmp_path: Path) -> None:
    with SqliteJournal.open(tmp_path / "empty", chain_id=1) as journal:
        assert journal.auctions() == ()
    one = Market(tmp_path / "journal.sqlite")
    one.auction(1_000, won(1_000))
    one.auction(1_000, LOST)  # in no block, and nobody closed it
    one.auction(None, won(0))  # it was no bid
    one.auction(1_500, LOST, rival_wei=PROFIT_WEI // 4 + 1)
    found = one.journal.auctions()
    one.journal.close()
    assert found[0] == Auction(bid_bps=1_000, won=True)
    assert found[-1] == Auction(bid_bps=1_500, won=False, winner_bps=2_501)


def test_auctions__of_several_positions_the_second_was_taken__lost_as_well(market: Market) -> None:
    market.auction(1_500, LOST, rival_wei=PROFIT_WEI // 4, taken=1)
    assert market.journal.auctions() == (Auction(bid_bps=1_500, won=False, winner_bps=2_500),)


def test_auctions__smaller_sizes_beside_a_plan__tell_only_where_they_won(market: Market) -> None:
    market.auction(1_500, LOST, rival_wei=PROFIT_WEI // 4, rung=1)
    assert market.journal.auctions() == ()
    market.auction(1_500, won(1_500), rung=1)
    assert market.journal.auctions() == (Auction(bid_bps=1_500, won=True),)


def test_auctions__behind_a_hash__told_apart_from_all_others(market: Market) -> None:
    market.auction(1_000, won(1_000))
    market.auction(5_000, LOST, rival_wei=PROFIT_WEI * 6 // 10, channel="backrun")
    assert [one.bid_bps for one in market.journal.auctions()] == [1_000]
    assert [one.bid_bps for one in market.journal.auctions(backruns=True)] == [5_000]
    learned = LearnedBids(BOUNDS, market.journal, listen=market.heard.append, backruns=True)
    assert market.bids.share_bps() < 6_000 <= learned.share_bps()


def test_share__the_winner_is_seen_paying__just_above_that(market: Market) -> None:
    assert market.bids.share_bps() == 500
    market.auction(500, LOST, rival_wei=PROFIT_WEI * 24 // 100)
    assert market.bids.share_bps() == 2_500


def test_share__what_the_winner_paid_is_unknown__higher(market: Market) -> None:
    market.auction(500, LOST, rival_wei=-1)
    assert market.bids.share_bps() > 500


def test_share__restarted__as_much_is_known(market: Market) -> None:
    market.auction(500, LOST, rival_wei=PROFIT_WEI * 24 // 100)
    market.auction(2_500, won(2_500))
    again = LearnedBids(BOUNDS, market.journal, listen=market.heard.append)
    assert again.share_bps() == market.bids.share_bps()
    assert market.heard == []


def test_share_bps__an_outcome_is_taken_back__not_learned_from_any_more(market: Market) -> None:
    market.auction(500, LOST, rival_wei=PROFIT_WEI // 4)
    learned_bps = market.bids.share_bps()
    lost = [market.auction(3_000, LOST, rival_wei=PROFIT_WEI * 6 // 10) for _ in range(6)]
    assert market.bids.share_bps() > learned_bps
    for one in lost:
        market.journal.reopened(one)
        market.bids(Reopened(submission=one, outcome=LOST))
    assert market.bids.share_bps() == learned_bps


def test_share__the_journal_can_not_be_read__the_last_one(market: Market) -> None:
    one = market.auction(500, LOST, rival_wei=PROFIT_WEI * 24 // 100)
    assert market.bids.share_bps() == 2_500
    market.journal.close()
    market.bids(Concluded(submission=one, outcome=LOST))
    assert market.bids.share_bps() == 2_500
    assert [type(event) for event in market.heard] == [Degraded]


@pytest.mark.parametrize("seed", [1, 2])
def test_share__a_rival_changes_its_rule__nine_tenths_of_the_best_fixed_bid(
    seed: int, market: Market
) -> None:
    rng = Random(seed)
    low_bps, high_bps = rng.randrange(500, 2_500), rng.randrange(3_000, 6_000)
    earned, rivals = 0, []
    for turn in range(AUCTIONS):
        rival_bps = low_bps if turn < AUCTIONS // 2 else high_bps
        share_bps = market.bids.share_bps()
        if share_bps > rival_bps:
            earned += 10_000 - share_bps
            market.auction(share_bps, won(share_bps))
        else:
            market.auction(share_bps, LOST, rival_wei=PROFIT_WEI * rival_bps // 10_000)
        rivals.append(rival_bps)
    best = max(sum(10_000 - fixed for rival_bps in rivals if fixed > rival_bps) for fixed in BOUNDS.rungs_bps)
    print(f"{low_bps} then {high_bps}: {earned / best:.3f} of the best fixed bid")
    assert earned * 10 >= best * 9
