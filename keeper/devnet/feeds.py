"""Price feeds: settable aggregators behind proxies. See ``contracts/devnet``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.devnet.artifact import Artifact
from keeper.devnet.chain import Chain, Contract
from keeper.devnet.tokens import TOKENS
from keeper.domain.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One price: the proxy that consumers read, and the aggregator behind it that reports."""

    proxy: Contract
    aggregator: Contract


def deploy_feeds(chain: Chain, own: Mapping[str, Artifact], *, market: Address) -> dict[str, Feed]:
    """Return a feed for every token, by symbol, at its starting price."""
    feeds = {}
    for spec in TOKENS.values():
        aggregator = chain.deploy(
            own["SettableAggregator"], f"{spec.symbol} / USD", spec.price_base, sender=market
        )
        proxy = chain.deploy(own["FeedProxy"], aggregator.address, sender=market)
        feeds[spec.symbol] = Feed(proxy=proxy, aggregator=aggregator)
    return feeds
