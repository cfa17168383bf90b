"""Venues: where collateral is sold. One package each, readable alone, importing no other room.

To add a venue:

1. Give its pools a value that implements :class:`keeper.domain.depth.Pool`: ``sell``, ``buy`` and
   ``segments``, in ints, with the contract's own rounding. Hold it to golden cases.
2. Write its queries (which pools there are; what they hold) as :data:`keeper.query.Query` generators, and its
   calls as :class:`keeper.domain.calls.ContractCall` values. Nothing is fetched or sent here.
3. Join them in one class that implements :class:`keeper.ports.Venue`, put the contract's functions
   under ``abis/``, and name the class in ``keeper/app/build.py``.
"""
