"""The owner's own vault as what pays for good: what it gets instead stays there. Mirrors ``Vault.carry``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from keeper.abi import load, uint
from keeper.domain.address import ZERO_ADDRESS, Address, checksum
from keeper.domain.calls import Callback, ContractCall
from keeper.domain.carriage import Carriage
from keeper.erc20 import balances_raw
from keeper.query import Call, Query, both, read, read_one

_ABI = load("vault_loans")
_CARRY = _ABI.function("carry")
_CARRIAGE = _ABI.function("carriage")
_LENDS_TO = _ABI.function("lendsTo")
_CALLBACK = _ABI.function("onVaultLoan")
_PROGRAM_ARGUMENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultCarry:
    """A vault that carries for one executor: a :class:`keeper.ports.Carrier`."""

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
                read_one(Call(self.vault, _LENDS_TO.encode(self.executor)), uint),
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
            callback=Callback(
                caller=self.vault,
                selector=_CALLBACK.selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=None,  # it calls back none but its caller
                answer=b"",
                repay=None,
            ),
        )
