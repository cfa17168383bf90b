"""Contract calls as values: what an executor's program is made of, before it is encoded."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """An approval for the length of one call: exactly `amount_raw`, and zero again afterwards."""

    token: Address
    amount_raw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceWord:
    """One 32-byte word of a call's data that the executor replaces by its own balance of `token`.

    Amounts owed and seized grow until inclusion; a fixed amount would strand dust or revert. Where the
    balance is below `minimum_raw` the executor reverts. With a `Spend` of the same token on the call, the
    approval is for that balance.
    """

    token: Address
    offset: int
    minimum_raw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """The one callback that a call is allowed to make, once: whatever differs from it reverts.

    The calls to run inside it travel as its bytes argument, which is also what the executor commits to.
    """

    caller: Address
    selector: bytes
    program_argument: int
    """Which argument of the callback is the bytes argument, counted from 0."""
    initiator_argument: int | None
    """Which argument names who asked for the callback, and must be the executor; None where none does."""
    answer: bytes
    """What the callback returns, such as an ABI-encoded ``true``."""
    repay: Spend | None
    """What `caller` may pull once the callback has returned, until the outer call ends."""
    payback: ContractCall | None = None
    """What the executor itself pays `caller` with, last of all that runs inside, where it does not pull."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCall:
    """One call that the executor makes: to `target`, with `data`, spending at most `spend`."""

    target: Address
    data: bytes
    spend: Spend | None = None
    balance_word: BalanceWord | None = None
    callback: Callback | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A cheap read that must still hold when the transaction runs, else it reverts before it costs more.

    Word `word_index` of what `target` answers to `data` must be at least `least` and at most `most`.
    """

    target: Address
    data: bytes
    word_index: int
    least: int
    most: int
