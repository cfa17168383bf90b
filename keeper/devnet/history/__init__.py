"""A history: some hours of a market on the devnet, with every block's state kept, to be looked back upon."""

from keeper.devnet.history.play import History, Plan, make

__all__ = ["History", "Plan", "make"]
