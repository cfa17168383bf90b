"""Lending protocols, one package each, readable alone.

To add a protocol: write a package whose class implements :class:`keeper.ports.LendingProtocol` (what a market
and a row are, which questions to ask, whom a log names) and whose terms implement
:class:`keeper.domain.position.Terms` (the arithmetic of its liquidation, exact), hold it equal to recorded
answers of its contracts under ``tests/golden``, and name it in ``keeper/app/build.py``. Packages do not know
each other; what they share is fixed point.
"""
