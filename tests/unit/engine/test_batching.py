from __future__ import annotations

from dataclasses import replace

from keeper.engine.batching import batch
from keeper.planner.drafting import Drafted
from tests.unit.planner.carrying_block import block
from tests.unit.planner.crowd import GAS_USED


def test_batch__what_is_carried_among_others__goes_by_itself() -> None:
    there = block(borrowers=3)
    planner = replace(there.planner, options=replace(there.planner.options, most_joined=3))
    earning = there.choose(earns=True)
    (carrying, *_) = there.choose(earns=False)
    gas_used = {
        one.drafted.draft: GAS_USED for one in (*earning, carrying) if isinstance(one.drafted, Drafted)
    }
    both = batch(there.seen, planner, [earning[0], earning[1], carrying], gas_used)
    assert both is not None and len(both.parts) == 2
    assert batch(there.seen, planner, [earning[0], carrying, earning[1]], gas_used) is None
