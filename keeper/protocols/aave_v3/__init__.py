"""Aave V3: one package, readable alone.

`state` is what the chain stores, `queries` how it is asked for, `layout` what of that moved from one
generation of pools to the next, `events` whom a log names; `revision` says what the arithmetic of a pool
revision provides and ``revision_1`` to ``revision_11`` provide it; `known` says which revision has which of
either; `terms` and `market` put it together as the keeper's ports want it.

To add a revision: write a package like ``revision_11`` beside it, repeat what is the same, hold it equal to
recorded answers of its contracts; where it keeps something elsewhere, add a layout; name both in `known`.
"""

from keeper.protocols.aave_v3.market import AaveV3

__all__ = ["AaveV3"]
