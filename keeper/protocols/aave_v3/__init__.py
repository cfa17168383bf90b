"""Aave V3: one package, readable alone.

`state` is what the chain stores, `queries` how it is asked for, `events` whom a log names; `revision` says
what the arithmetic of a pool revision provides and ``revision_10`` provides it; `terms` and `market` put it
together as the keeper's ports want it.

To add a revision: write a package like ``revision_10`` beside it, repeat what is the same, hold it equal to
recorded answers of its contracts, and name it in `market`.
"""

from keeper.protocols.aave_v3.market import AaveV3

__all__ = ["AaveV3"]
