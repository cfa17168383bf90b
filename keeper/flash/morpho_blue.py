"""Morpho Blue's ``flashLoan``: one token, of all that lies in it, for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.abi import load
from keeper.domain.address import Address, checksum
from keeper.domain.calls import Callback, ContractCall, Spend
from keeper.domain.funding import Offer
from keeper.erc20 import balances_raw
from keeper.query import Query

_ABI = load("morpho_flash_loan")
_FLASH_LOAN = _ABI.function("flashLoan")
_CALLBACK = _ABI.function("onMorphoFlashLoan")
_PROGRAM_ARGUMENT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MorphoBlueFlash:
    """A Morpho that lends: a :class:`keeper.ports.FlashSource`. Mirrors ``Morpho.flashLoan``, 1.0.0."""

    morpho: Address

    @property
    def name(self) -> str:
        return f"morpho:{checksum(self.morpho)}"

    @property
    def loan_gas(self) -> int:
        return 40_000  # within a liquidation: by itself it is 52,000, where not all that is refunded counts

    def load(self, tokens: Sequence[Address]) -> Query[tuple[Offer, ...]]:
        """Return all that it has of each token: suppliers' cash and collateral alike. In one round."""
        held = yield from balances_raw(self.morpho, tokens)
        return tuple(Offer(token=token, available_raw=raw) for token, raw in held.items())

    def call(self, offer: Offer, *, amount_raw: int, executor: Address) -> ContractCall:
        """Return the call that lends to the executor, and pulls the amount back when it returns."""
        return ContractCall(
            target=self.morpho,
            data=_FLASH_LOAN.encode(offer.token, amount_raw, b""),
            callback=Callback(
                caller=self.morpho,
                selector=_CALLBACK.selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=None,  # it calls back none but its caller
                answer=b"",
                repay=Spend(token=offer.token, amount_raw=amount_raw),
            ),
        )
