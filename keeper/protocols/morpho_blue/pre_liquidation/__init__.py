"""Pre-liquidation: what Morpho's borrowers may opt into, as a market of its own beside Morpho itself.

`arithmetic` reckons as the contract does; `state` is what is read; `terms` and `market` are for the keeper's
ports. One factory's contracts together are one protocol; each contract is one of its markets.
"""

from keeper.protocols.morpho_blue.pre_liquidation.market import MorphoPreLiquidation

__all__ = ["MorphoPreLiquidation"]
