"""What drafts of a kind used before: by it the next one's size and place are expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from keeper.domain.address import Address
from keeper.domain.declined import Declined
from keeper.domain.plan import Draft

_Kind: TypeAlias = tuple[str, tuple[tuple[Address, Address], ...], int]
"""A draft's market, each close's two tokens, and how many pools it passes: its gas depends on these most."""

_UNKNOWN_GAS = 700_000
"""What each close of a kind that was never simulated is expected to use."""
_WITHIN = 50
"""Gas that is within a fiftieth of what was expected came out as expected."""


class UsualGas:
    """What each kind of draft used last."""

    def __init__(self) -> None:
        self._used: dict[_Kind, int] = {}

    def expected(self, drafts: Iterable[Draft]) -> dict[Draft, int]:
        """Return what each draft will use, as far as can be told before it is simulated."""
        return {draft: self._used.get(_kind(draft), _UNKNOWN_GAS * len(draft.closes)) for draft in drafts}

    def learn(self, gas_used: Mapping[Draft, int | Declined]) -> None:
        """Remember what was used; of what failed there is nothing to learn."""
        self._used |= {_kind(draft): gas for draft, gas in gas_used.items() if not isinstance(gas, Declined)}


def as_expected(gas_used: int | Declined, expected: int) -> int | Declined:
    """Return the expected gas where the gas used is about that."""
    if isinstance(gas_used, Declined) or abs(gas_used - expected) * _WITHIN > expected:
        return gas_used
    return expected


def _kind(draft: Draft) -> _Kind:
    tokens = tuple((one.repaid.token.address, one.seized.token.address) for one in draft.closes)
    return draft.market, tokens, len(draft.pools)
