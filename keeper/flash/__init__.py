"""Flash sources: who lends the debt token for the length of a transaction, one module each.

To add one: write a class that implements :class:`keeper.ports.FlashSource` (what it lends, its fee rounded as
the lender rounds it, and the call with the one callback that it makes), test its fee against the real
contract, and name it in ``keeper/app/build.py``.
"""
