"""Lending protocols, one package each, readable alone.

To add a protocol:

1. Write its arithmetic, exact, with the contract's own rounding and its reasons to revert, and hold it equal
   to recorded answers of its contracts under ``tests/golden``.
2. Write a class that implements :class:`keeper.ports.LendingProtocol`: what a market and a row are, which
   questions to ask, whom a log names. One contract may hold many isolated markets: `Market` is then all of
   them, each position's id says which one it is in, and `refresh` finds new ones in the logs that told of it.
3. Say what a row looks like to the screen: which entries it packs into, what each weighs, and by how much the
   contract's rounding may be worse than that. Derive the slack where it is written, and let properties aim at
   health 1. Say what the protocol's own view tells of a position: the audit holds the book against it.
4. Write terms that implement :class:`keeper.domain.position.Terms`: which amounts may be repaid, what each
   moves, and the call. Where the protocol hands over the collateral before it takes the debt, say that the
   terms fund themselves, and let the call commit to that callback: no loan is taken then. Where closing one
   position changes the next in the same block, `behind` gives the terms as they are then.
5. Name it in ``keeper/chains.py`` and ``keeper/app/build.py``, and its known markets in
   ``keeper/data/markets.json``. Where one contract holds all collateral, wrappers ask what it holds of them:
   ``Erc4626(holders=…)`` there.

Nothing else should have to change. Packages do not know each other; what they share is fixed point, and how a
token is asked what it is (:mod:`keeper.erc20`).
"""
