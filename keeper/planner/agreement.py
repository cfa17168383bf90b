"""Whether a simulation bears a draft's prediction out: it is equal to the wei, or a fact is missing."""

from __future__ import annotations

from keeper.domain.carriage import Carry
from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import BPS
from keeper.domain.plan import Draft
from keeper.query import Simulated
from keeper.reverts import explained

_AGREEMENT_BPS = 1
"""How far a simulation may be from its prediction."""

_SHARES_ROUNDING_RAW = 1
"""By how much a token that counts in shares may differ: by what the vault has of it already."""


def disagreement(draft: Draft, simulated: Simulated) -> Declined | None:
    """Return how a simulation contradicts the draft's prediction, or None. Both are in wei, tip deducted.

    Of what is carried it returned how much the vault got, in raw units.
    """
    if simulated.reverted:
        return Declined(reason=Reason.SIMULATION, detail=explained(simulated.returned))
    measured_wei = int.from_bytes(simulated.returned[:32], "big")
    if draft.carry is not None:
        return _carries_otherwise(draft.carry, received_raw=measured_wei)
    predicted_wei = draft.waterfall.vault_wei
    if abs(measured_wei - predicted_wei) * BPS > _AGREEMENT_BPS * predicted_wei:
        return Declined(
            reason=Reason.SIMULATION,
            detail=f"the simulation earned {measured_wei} wei where {predicted_wei} were predicted",
        )
    return None


def _carries_otherwise(carry: Carry, *, received_raw: int) -> Declined | None:
    """Return how the simulation brought the vault something else than predicted, or None."""
    predicted = carry.received
    if abs(received_raw - predicted.raw) <= _SHARES_ROUNDING_RAW:
        return None
    detail = f"the simulation brought {received_raw} {predicted.token.symbol}, {predicted.raw} were predicted"
    return Declined(reason=Reason.SIMULATION, detail=detail)
