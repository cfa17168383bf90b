"""Drafts are chosen in the order that their nonces run in, also where one with a nonce comes to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random

from keeper.domain.declined import Declined, Reason
from keeper.domain.plan import Draft
from keeper.domain.position import PositionId
from keeper.engine.in_sequence import in_sequence
from keeper.planner.drafting import Drafted
from keeper.planner.proposal import Chosen
from keeper.submitter.submitter import Now, Place, Submitter
from tests.unit.planner.crowd import Crowd, crowd
from tests.unit.planner.test_contention import start
from tests.unit.submitter.submissions import looked, submission

NOW = Now(head_number=103, timestamp_s=500, chain_nonce=7)
BORROWERS = 4


def at_work(block: Crowd, stuck: Sequence[int]) -> Submitter:
    """Return the submitter of a keeper that sent for these from nonce 7 on, for too little: all are stuck."""
    submitter = Submitter(patience_blocks=3)
    positions = [one.opportunity.position for one in block.proposals]
    submissions = [
        submission(nonce=7 + at, borrower=0, others=(positions[who],)) for at, who in enumerate(stuck)
    ]
    submitter.recover(submissions)
    for one in submissions:
        submitter.tell(one, looked(known=True))
    return submitter


def drafted(chosen: Sequence[Chosen]) -> tuple[PositionId, ...]:
    return tuple(one.opportunity.position for one in chosen if isinstance(one.drafted, Drafted))


async def test_in_sequence__one_that_has_a_nonce_comes_to_nothing__the_others_run_as_they_were_sized() -> (
    None
):
    seen = Counter[str]()
    for seed in range(24):
        draw = Random(seed)
        block = crowd(seed, borrowers=BORROWERS, falling=True)
        stuck = draw.sample(range(BORROWERS), draw.randint(1, 3))
        hopeless = draw.choice(stuck)  # such as one whose simulation fails at this head
        gas_used: Mapping[Draft, int | Declined] = block.gas_used | {
            one.draft: Declined(reason=Reason.SIMULATION, detail="")
            for one in block.proposals[hopeless].drafts
        }
        submitter = at_work(block, stuck)
        sequence = partial(submitter.sequence, NOW)
        choose = partial(block.planner.choosing, block.seen, gas_used=gas_used, sequence=sequence)
        at_once = drafted(block.planner.choose(block.seen, block.proposals, gas_used, sequence=sequence))
        seen["anew" if sequence(at_once) != at_once else "at once"] += 1
        chosen = await in_sequence(choose, block.proposals, sequence)
        nonces = []
        for position in drafted(chosen):
            place = submitter.plan(NOW, positions=[position])
            assert isinstance(place, Place)
            nonces.append(place.nonce)
        assert nonces == sorted(nonces)
        assert {one.opportunity.position for one in chosen} == {
            one.opportunity.position for one in block.proposals
        }
        by_position = {one.opportunity.position: one for one in block.proposals}
        in_that_order = [by_position[one] for one in drafted(chosen)]
        alone = block.planner._run(block.seen, in_that_order, gas_used, start(block), frozenset())
        assert drafted(tuple(alone)) == drafted(chosen), "each on what those before it leave"
    print(dict(seen))
    assert seen["anew"] >= 3 and seen["at once"] >= 5
