"""Who is chosen, in the order in which their transactions will run: that of their nonces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from keeper.domain.position import PositionId
from keeper.engine.each import each
from keeper.planner.drafting import Drafted
from keeper.planner.proposal import Chosen, Proposal


async def in_sequence(
    choose: Callable[[Sequence[Proposal]], Iterable[Chosen | None]],
    proposals: Sequence[Proposal],
    sequence: Callable[[Sequence[PositionId]], tuple[PositionId, ...]],
) -> tuple[Chosen, ...]:
    """Return what `choose` makes of proposals: drafts in the order that they run in, then who is left alone.

    Whoever has a nonce already keeps their place, as long as they have a draft. Without one their nonce goes
    to another, who then runs before those of higher nonces: so all who have one are chosen anew among them.
    """
    left: list[Chosen] = []
    while True:
        chosen = await each(choose(proposals), of=len(proposals))
        drafted = tuple(one.opportunity.position for one in chosen if isinstance(one.drafted, Drafted))
        if sequence(drafted) == drafted:
            return (*chosen, *left)
        left += [one for one in chosen if not isinstance(one.drafted, Drafted)]
        proposals = [one for one in proposals if one.opportunity.position in drafted]
