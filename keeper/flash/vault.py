"""The owner's own vault: inventory lent within a transaction, for nothing, up to the owner's caps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.abi import load, uint
from keeper.domain.address import Address, checksum
from keeper.domain.calls import Callback, ContractCall
from keeper.domain.funding import Offer
from keeper.erc20 import balances_raw, transferred
from keeper.query import Call, Query, both, read, read_one

_ABI = load("vault_loans")
_LEND = _ABI.function("lend")
_LENDS_TO = _ABI.function("lendsTo")
_CAP = _ABI.function("cap")
_CALLBACK = _ABI.function("onVaultLoan")
_PROGRAM_ARGUMENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultFlash:
    """A vault that lends to one executor: a :class:`keeper.ports.FlashSource`. Mirrors ``Vault.lend``."""

    vault: Address
    executor: Address

    @property
    def name(self) -> str:
        return f"vault:{checksum(self.vault)}"

    @property
    def loan_gas(self) -> int:
        return 26_000

    def load(self, tokens: Sequence[Address]) -> Query[tuple[Offer, ...]]:
        """Return what lies there of each token, up to its cap; nothing where the executor may not borrow.

        In one round.
        """
        (lends, caps), held = yield from both(
            both(
                read_one(Call(self.vault, _LENDS_TO.encode(self.executor)), uint),
                read([Call(self.vault, _CAP.encode(token)) for token in tokens], uint),
            ),
            balances_raw(self.vault, tokens),
        )
        capped = dict(zip(tokens, caps, strict=True))
        return tuple(
            Offer(token=token, available_raw=min(raw, capped[token]))
            for token, raw in held.items()
            if lends and capped[token]
        )

    def call(self, offer: Offer, *, amount_raw: int, executor: Address) -> ContractCall:
        """Return the call that lends to the executor, which transfers the amount back itself."""
        return ContractCall(
            target=self.vault,
            data=_LEND.encode(offer.token, amount_raw, b""),
            callback=Callback(
                caller=self.vault,
                selector=_CALLBACK.selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=None,  # it calls back none but its caller
                answer=b"",
                repay=None,
                payback=transferred(offer.token, amount_raw, to=self.vault),
            ),
        )
