"""Oracles: what lies between the price that somebody reports and the price that a protocol counts with.

A price is told by a *feed*, which moves, through *adapters*, which do not: caps, ratios, pegs, the rate of a
wrapped token. `recognise` asks contracts what they are and gives each a formula, in ints, with the contract's
own rounding; so what a feed's next answer makes of every price behind it is known before it is given.

To add an adapter: write its rule in ``rules.py``, name its getters in ``kinds.py``, and put them into
``abis/price_source.json``. A formula that does not give to the digit what the protocol says is never used, so
a contract that only looks like a kind is found out at the first head.
"""

from keeper.oracles.recognition import recognise

__all__ = ["recognise"]
