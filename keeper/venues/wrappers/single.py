"""What every wrapper's calls ask of a route."""

from __future__ import annotations

from keeper.domain.depth import Hop, Route


def only_hop(route: Route) -> Hop:
    """Return the route's one hop: a wrapper's call unwraps once. Raises ValueError where there are others."""
    if len(route.hops) != 1:
        raise ValueError(f"a wrapper is one hop, not {len(route.hops)}")
    return route.hops[0]
