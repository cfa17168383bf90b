"""The owner's own vault: inventory lent within a transaction, for nothing, up to the owner's caps.

And as what pays for good, where its owner allows that: what it gets instead stays there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from keeper.abi import load, uint
from keeper.domain.address import ZERO_ADDRESS, Address, checksum
from keeper.domain.calls import Callback, ContractCall
from keeper.domain.carriage import Carriage
from keeper.domain.funding import Offer
from keeper.erc20 import balances_raw, transferred
from keeper.query import Call, Query, both, read, read_one

_ABI = load("vault_loans")
_LEND = _ABI.function("lend")
_LENDS_TO = _ABI.function("lendsTo")
_CAP = _ABI.function("cap")
_CARRY = _ABI.function("carry")
_CARRIAGE = _ABI.function("carriage")
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
                _trusts(self.vault, self.executor),
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
            callback=_callback(self.vault, payback=transferred(offer.token, amount_raw, to=self.vault)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultCarry:
    """A vault that carries for one executor: a :class:`keeper.ports.Carrier`. Mirrors ``Vault.carry``."""

    vault: Address
    executor: Address
    tokens: tuple[Address, ...]
    """What the operator lets be carried; whether it is, and for how much, the vault's owner says."""

    @property
    def name(self) -> str:
        return f"carry:{checksum(self.vault)}"

    def load(self, spendable: Sequence[Address]) -> Query[tuple[Carriage, ...]]:
        """Return what may be spent on what, as far as anything may; in one round."""
        pairs = [pair for pair in product(spendable, self.tokens) if pair[0] != pair[1]]
        (trusts, terms), held = yield from both(
            both(
                _trusts(self.vault, self.executor),
                read([Call(self.vault, _CARRIAGE.encode(*pair)) for pair in pairs], _CARRIAGE.decode),
            ),
            balances_raw(self.vault, spendable),
        )
        return tuple(
            Carriage(
                spent=spent,
                carried=carried,
                left_raw=left_raw,
                stock_raw=held.get(spent, 0),
                least_wad=least_wad,
                by_oracle=oracle != ZERO_ADDRESS,
            )
            for (spent, carried), (left_raw, least_wad, oracle, _) in zip(pairs, terms, strict=True)
            if trusts and left_raw
        )

    def call(self, carriage: Carriage, *, amount_raw: int, least_raw: int) -> ContractCall:
        """Return the call that hands over the money, and wants the token by the end of its callback."""
        return ContractCall(
            target=self.vault,
            data=_CARRY.encode(carriage.spent, amount_raw, carriage.carried, least_raw, b""),
            callback=_callback(self.vault),
        )


def _trusts(vault: Address, executor: Address) -> Query[int]:
    """Return 1 where the executor may have any of the vault's money, else 0."""
    return read_one(Call(vault, _LENDS_TO.encode(executor)), uint)


def _callback(vault: Address, *, payback: ContractCall | None = None) -> Callback:
    return Callback(
        caller=vault,
        selector=_CALLBACK.selector,
        program_argument=_PROGRAM_ARGUMENT,
        initiator_argument=None,  # it calls back none but its caller
        answer=b"",
        repay=None,
        payback=payback,
    )
