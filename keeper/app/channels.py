"""The ways into a block, as the settings name them, and the relays behind the private ones."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from keeper.channels.backrun import BackrunChannel
from keeper.channels.bundle import BundleChannel
from keeper.channels.private import PrivateChannel
from keeper.channels.public import PublicChannel
from keeper.config import Settings
from keeper.config.channel import ChannelName
from keeper.domain.odds import Odds
from keeper.domain.role import Role
from keeper.keys import SigningKey
from keeper.keys.relay_key import signed_headers
from keeper.node.endpoint import Endpoint
from keeper.ports import Channel

_RELAY_TIMEOUT_S = 2.0
"""A builder that has not answered by then may have the bundle; the next head is not waited for in vain."""


def channels(settings: Settings) -> tuple[Channel, ...]:
    """Return the channels of KEEPER_CHANNELS, in that order."""
    builders = tuple(one.builder for one in settings.builders)
    has_private = any(one.roles & {Role.PRIVATE, Role.SEQUENCER} for one in settings.rpc_urls)
    made: Mapping[ChannelName, Channel] = {
        ChannelName.PUBLIC: PublicChannel(),
        ChannelName.PRIVATE: PrivateChannel(builders=builders, has_endpoints=has_private),
        ChannelName.BUNDLE: BundleChannel(builders=builders),
        ChannelName.BACKRUN: BackrunChannel(builders=builders),
    }
    return tuple(made[name] for name in settings.channels)


def unknown_odds(settings: Settings) -> Odds:
    """Return the odds of the races through these channels where none was run yet.

    Of those that are behind nothing: what comes behind another's transaction costs nothing where it is lost.
    """
    ways = [one for one in channels(settings) if one.takes(None)]
    return Odds(
        channels=tuple(one.name for one in ways), reverts_land=any(one.reverts_can_land for one in ways)
    )


@asynccontextmanager
async def relays(settings: Settings) -> AsyncIterator[Mapping[str, Endpoint]]:
    """Yield the builders' endpoints by their names; what they are sent is signed with the relay key."""
    if not settings.is_private:
        yield {}
        return
    key = (
        SigningKey(secrets.token_bytes(32))
        if settings.relay_key is None
        else SigningKey.from_hex(settings.relay_key)
    )
    made = {
        one.builder.name: Endpoint(one.url, timeout_s=_RELAY_TIMEOUT_S, headers=partial(signed_headers, key))
        for one in settings.builders
    }
    try:
        yield made
    finally:
        for endpoint in made.values():
            await endpoint.close()
