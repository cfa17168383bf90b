"""Morpho Blue: one package, readable alone.

`state` is what the chain stores, `queries` how it is asked for, `events` whom a log names. `arithmetic`,
`accrual` and `liquidation` reckon as the contract does; `standing` is a position at one time, `feasible` what
may be repaid of it, `terms` and `market` put it together as the keeper's ports want it. ``pre_liquidation``
is what borrowers may opt into beside, a package of its own that builds on this one.
"""

from keeper.protocols.morpho_blue.market import MorphoBlue

__all__ = ["MorphoBlue"]
