"""Races: a liquidation by somebody else, and what this keeper knew of the position and did about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.address import Address, Hash32
from keeper.domain.position import PositionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """One liquidation, as its protocol's event tells it."""

    position: PositionId
    liquidator: Address
    """Who called the protocol: usually a contract."""
    debt: Address | None
    """None where the event does not name the tokens."""
    repaid_raw: int
    collateral: Address | None
    seized_raw: int
    block_number: int
    transaction: Hash32


class Deed(StrEnum):
    """What this keeper did about a position before it was gone."""

    NOT_SEEN = "not seen"
    DECLINED = "declined"
    PLANNED = "planned"
    """And not sent: nothing is sent in a dry run, and nothing while a brake is on."""
    SENT = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A position below health 1, from when this keeper first saw it so."""

    first_head: int
    first_seen_at_s: float
    last_head: int
    deed: Deed
    why: str = ""
    """The reason where it was declined."""
    net_wei: int = 0
    """What a plan was predicted to bring."""
    tip_wei: int = 0
    priority_fee_wei: int = 0
    """Offered for each unit of gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """The transaction of a liquidation, as the chain has it."""

    sender: Address
    place: int
    """In its block, from 0."""
    gas_wei: int
    """All that it paid for gas."""
    priority_fee_wei: int
    """For each unit of gas."""
    bid_wei: int | None = None
    """All that it paid the block's builder: the priority fees, and to the coinbase within the transaction.

    None where no endpoint traces transactions.
    """
    gas_used: int = 0
    """0 where an earlier version wrote it down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """A liquidation by somebody else of a position in a market that this keeper watches."""

    liquidation: Liquidation
    block_seen_at_s: float
    """When this keeper heard of the block that it is in."""
    winner: Winner
    sighting: Sighting | None

    @property
    def deed(self) -> Deed:
        """Return what this keeper did."""
        return Deed.NOT_SEEN if self.sighting is None else self.sighting.deed

    @property
    def blocks_ahead(self) -> int | None:
        """Return how many blocks before its end the position was seen, None where it was not."""
        return None if self.sighting is None else self.liquidation.block_number - self.sighting.first_head

    @property
    def ms_ahead(self) -> int | None:
        """Return how many milliseconds before the block was heard of."""
        if self.sighting is None:
            return None
        return round((self.block_seen_at_s - self.sighting.first_seen_at_s) * 1e3)

    @property
    def verdict(self) -> str:
        """Return in a few words why it was lost."""
        sighting = self.sighting
        if sighting is None or sighting.deed is Deed.NOT_SEEN:
            return "not seen"
        if sighting.deed is Deed.DECLINED:
            return f"declined: {sighting.why}"
        if sighting.deed is Deed.PLANNED:
            return "planned, not sent"
        return "outbid" if self.outbid_by_wei else "too slow"

    @property
    def outbid_by_wei(self) -> int:
        """Return how much more the winner offered for each unit of its gas; 0 where nothing was sent.

        What either paid to the coinbase within the transaction counts, where it is known of the winner.
        """
        winner, seen = self.winner, self.sighting
        if seen is None or seen.deed is not Deed.SENT:
            return 0
        if winner.bid_wei is None or not winner.gas_used:
            return max(0, winner.priority_fee_wei - seen.priority_fee_wei)
        offered_wei = seen.priority_fee_wei * winner.gas_used + seen.tip_wei
        return max(0, winner.bid_wei - offered_wei) // winner.gas_used
