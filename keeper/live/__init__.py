"""Live: the keeper on a chain that goes on, over its endpoints."""

from keeper.live.heartbeat import Heartbeat
from keeper.live.landing import Lander
from keeper.live.world import LiveWorld

__all__ = ["Heartbeat", "Lander", "LiveWorld"]
