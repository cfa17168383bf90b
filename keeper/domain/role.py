"""What an endpoint may be shown, as the operator marks it. Nothing is marked by itself."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """One mark of an endpoint; it may have several."""

    PRIVATE = "private"
    """Shows what it is sent to nobody before it is in a block: a private plan may be sent there."""
    TRUSTED = "trusted"
    """Sees what is simulated, and keeps it to itself: what is not public yet may be simulated there."""
    SEQUENCER = "sequencer"
    """Takes transactions for the chain's one producer, and is asked nothing else. Private by its nature."""
