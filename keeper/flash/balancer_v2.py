"""Balancer V2's ``flashLoan``: one token, of all that lies in the vault, for what the protocol takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from keeper.abi import address, load, uint
from keeper.domain.address import Address, checksum
from keeper.domain.calls import Callback, ContractCall
from keeper.domain.funding import Offer
from keeper.erc20 import balances_raw, transferred
from keeper.query import Call, Query, both, read_one

_VAULT = load("balancer_v2_vault")
_FLASH_LOAN = _VAULT.function("flashLoan")
_COLLECTOR = _VAULT.function("getProtocolFeesCollector").encode()
_PAUSED = _VAULT.function("getPausedState").encode()
_FEE = load("balancer_v2_fees_collector").function("getFlashLoanFeePercentage").encode()
_CALLBACK = load("balancer_v2_flash_receiver").function("receiveFlashLoan")
_PROGRAM_ARGUMENT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerV2Flash:
    """The vault: a :class:`keeper.ports.FlashSource`. Mirrors ``FlashLoans``; the fee rounds up."""

    vault: Address
    _collectors: dict[Address, Address] = field(default_factory=dict, init=False, compare=False, repr=False)
    """Who says the fee: set in the vault's constructor."""

    @property
    def name(self) -> str:
        return f"balancer-v2:{checksum(self.vault)}"

    @property
    def loan_gas(self) -> int:
        return 48_000

    def load(self, tokens: Sequence[Address]) -> Query[tuple[Offer, ...]]:
        """Return what lies in the vault of each token, and the fee now; nothing while the vault is paused.

        In one round; in two the first time.
        """
        collector = self._collectors.get(self.vault)
        if collector is None:
            collector = yield from read_one(Call(self.vault, _COLLECTOR), address)
            self._collectors[self.vault] = collector
        (fee_wad, paused), held = yield from both(
            both(read_one(Call(collector, _FEE), uint), read_one(Call(self.vault, _PAUSED), uint)),
            balances_raw(self.vault, tokens),
        )
        if paused:
            return ()
        return tuple(
            Offer(token=token, available_raw=raw, premium_wad=fee_wad) for token, raw in held.items()
        )

    def call(self, offer: Offer, *, amount_raw: int, executor: Address) -> ContractCall:
        """Return the call that lends to the executor, which transfers amount and fee back itself."""
        owed_raw = amount_raw + offer.fee_raw(amount_raw)
        return ContractCall(
            target=self.vault,
            data=_FLASH_LOAN.encode(executor, [offer.token], [amount_raw], b""),
            callback=Callback(
                caller=self.vault,
                selector=_CALLBACK.selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=None,  # it does not tell: the committed bytes are what is checked
                answer=b"",
                repay=None,
                payback=transferred(offer.token, owed_raw, to=self.vault),
            ),
        )
