"""The engine: one state after another, observe → plan → submit → settle."""

from keeper.engine.deciding import Considered
from keeper.engine.engine import Engine, Pace

__all__ = ["Considered", "Engine", "Pace"]
