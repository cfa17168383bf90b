"""KEEPER_CHANNELS and KEEPER_BUILDERS: the ways into a block, and who is sent what goes privately."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.builders import Builder
from keeper.domain.secret import Secret
from keeper.submitter.bidding import Bounds


class ChannelName(StrEnum):
    """One way into a block."""

    PUBLIC = "public"
    PRIVATE = "private"
    BUNDLE = "bundle"
    BACKRUN = "backrun"


class Skill(StrEnum):
    """What a builder that is given by its URL understands besides bundles, as the operator marks it."""

    SINGLE = "single"
    CANCELS = "cancels"
    BACKRUNS = "backruns"


@dataclass(frozen=True, slots=True, kw_only=True)
class BidSetting:
    """Between which shares of the profit a channel's bids are learned, in bps."""

    channel: ChannelName
    bounds: Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderSetting:
    """A builder, by its name in the table or by its URL, of which only scheme and host are ever shown."""

    builder: Builder
    url: Secret

    def __str__(self) -> str:
        return self.builder.name
