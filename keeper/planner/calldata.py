"""What the executor is sent: a program, packed as `contracts/src/Executor.sol` unpacks it.

Knows the packing and nothing else: no protocol, no venue, no amount of its own. The packing is there because
a transaction pays for each byte of its calldata, a lost race for little else. Integers are big-endian and
unpadded; a `number` is one byte, how many bytes follow (0 to 32), and those; `data` is two bytes, how many
follow, and those::

    program  = deadline:u40 floor:number tipBps:u16 tipCap:number
               tokens:u8 addresses:u8 address*   index 0 is the wrapped native coin, these are 1, 2, ...; the
                                                 first `tokens` of them are the tokens that are touched
               guards legs:u8 leg*
    leg      = 0:u8 body                         it must succeed
             | 1:u8 gas:u24 data                 the data is a body, which may fail, and then leaves no trace;
                                                 it gets so much gas, or with 0 all there is
    body     = guards steps:u8 step*
    guards   = count:u8 (target:u8 data test:u8 [least:number] [most:number])*
               test is the word of the answer to look at, + 0x80 with `least`, + 0x40 with `most`
    step     = flags:u8 target:u8 data
               [BALANCE       token:u8 at:u16 least:number [SKIP size:u8]]
               [SPEND         token:u8 amount:number spender:u8]
               [SPEND_BALANCE spender:u8]
               [VALUE         amount:number]
               [CALLBACK      caller:u8 selector:u32 bytesArgument:u8 initiatorArgument:u8 at:u16]
    callback = length:u8 answer length:u8 repayments body
    repayments = (token:u8 amount:number)*

Every address is listed once and meant by its index from then on. A value that does not fit its field raises
ValueError: it would be another value on the chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from keeper.domain.address import Address
from keeper.domain.calls import BalanceWord, Callback, ContractCall, Guard

EXECUTE_SELECTOR = bytes.fromhex("09c5eabe")
"""``execute(bytes)``"""

_BALANCE, _SKIP, _SPEND, _SPEND_BALANCE, _VALUE, _CALLBACK = 1, 2, 4, 8, 16, 32
_TEST_LEAST, _TEST_MOST, _TEST_WORDS = 0x80, 0x40, 0x40
_NO_ARGUMENT = 0xFF
_MOST_UINT256 = 2**256 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call, and what is to run inside the callback that it makes."""

    call: ContractCall
    """With a callback, `call.data` must end in that callback's bytes argument, empty: it is put in here."""
    inside: tuple[Step, ...] = ()
    spender: Address | None = None
    """Who pulls what `call.spend` approves, where it is not the target itself."""
    value_wei: int = 0
    """Native coin to send along: what an earlier step has unwrapped."""
    skip_if_too_low: bool = False
    """Leave the step out, instead of reverting, where the balance is below `call.balance_word`'s minimum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """Steps that must succeed, or the whole transaction reverts. Its guards are read first."""

    steps: tuple[Step, ...]
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalLeg:
    """Steps that may fail as one: they leave no balance and no allowance then, and cost their gas."""

    steps: tuple[Step, ...]
    guards: tuple[Guard, ...] = ()
    gas_limit: int = 0
    """The most gas it may use up; 0 for all there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All that one transaction of the executor does."""

    wrapped_native: Address
    """The executor's own: it needs no listing."""
    deadline_s: int
    """The last block timestamp at which it may run."""
    floor_wei: int
    """The least wrapped native that must reach the vault, the tip not counted."""
    legs: tuple[Leg | OptionalLeg, ...]
    guards: tuple[Guard, ...] = ()
    """Read before anything else is done."""
    touched: tuple[Address, ...] = ()
    """Tokens the executor may come to hold, beyond those that its steps spend or measure: all are swept."""
    tip_bps: int = 0
    """The share of the measured profit that the block's builder gets."""
    tip_cap_wei: int = 0


def execute_calldata(program: Program) -> bytes:
    """Return the calldata of ``execute(bytes)``. Raises ValueError where a value does not fit its field."""
    packed = encode(program)
    return EXECUTE_SELECTOR + (32).to_bytes(32, "big") + _abi_bytes(packed)


def encode(program: Program) -> bytes:
    """Return `program` packed. Raises ValueError where a value does not fit its field."""
    table = _Table.of(program)
    return b"".join(
        (
            _fixed(program.deadline_s, 5, "the deadline"),
            _number(program.floor_wei, "the floor"),
            _fixed(program.tip_bps, 2, "the tip's share"),
            _number(program.tip_cap_wei, "the tip's cap"),
            table.encode(),
            _guards(program.guards, table),
            _count(program.legs, "legs"),
            *(_leg(leg, table) for leg in program.legs),
        )
    )


class _Table:
    """The addresses of a program, by index: the wrapped native coin, the touched tokens, all others."""

    def __init__(
        self, *, wrapped_native: Address, tokens: Iterable[Address], others: Iterable[Address]
    ) -> None:
        listed = list(dict.fromkeys((wrapped_native, *tokens)))
        self._tokens = len(listed) - 1
        listed = list(dict.fromkeys((*listed, *others)))
        # where there are more than fit, `encode` raises
        self._index = {address: bytes((index & 0xFF,)) for index, address in enumerate(listed)}
        for address in listed:
            if len(address) != 20:
                raise ValueError(f"an address has 20 bytes, not {len(address)}")

    @staticmethod
    def of(program: Program) -> _Table:
        """Return the table of all that `program` mentions, in the order of its mention."""
        steps = tuple(_all_steps(step for leg in program.legs for step in leg.steps))
        guards = (*program.guards, *(guard for leg in program.legs for guard in leg.guards))
        return _Table(
            wrapped_native=program.wrapped_native,
            tokens=(*program.touched, *(token for step in steps for token in _tokens(step))),
            others=(
                *(guard.target for guard in guards),
                *(other for step in steps for other in _others(step)),
            ),
        )

    def __getitem__(self, address: Address) -> bytes:
        return self._index[address]

    def encode(self) -> bytes:
        listed = list(self._index)[1:]
        return _fixed(self._tokens, 1, "the tokens") + _count(listed, "addresses") + b"".join(listed)


def _all_steps(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _all_steps(step.inside)


def _tokens(step: Step) -> Iterator[Address]:
    if step.call.spend is not None:
        yield step.call.spend.token
    if step.call.balance_word is not None:
        yield step.call.balance_word.token
    if step.call.callback is not None and step.call.callback.repay is not None:
        yield step.call.callback.repay.token


def _others(step: Step) -> Iterator[Address]:
    yield step.call.target
    if step.call.callback is not None:
        yield step.call.callback.caller
    if step.spender is not None:
        yield step.spender


# --- the parts ----------------------------------------------------------------------------------------------


def _leg(leg: Leg | OptionalLeg, table: _Table) -> bytes:
    body = _body(leg.guards, leg.steps, table)
    match leg:
        case Leg():
            return b"\0" + body
        case OptionalLeg():
            return b"\1" + _fixed(leg.gas_limit, 3, "a leg's gas limit") + _sized(body, 2, "a leg")


def _body(guards: Sequence[Guard], steps: Sequence[Step], table: _Table) -> bytes:
    return _guards(guards, table) + _count(steps, "steps") + b"".join(_step(step, table) for step in steps)


def _guards(guards: Sequence[Guard], table: _Table) -> bytes:
    return _count(guards, "guards") + b"".join(_guard(guard, table) for guard in guards)


def _guard(guard: Guard, table: _Table) -> bytes:
    if not 0 <= guard.word_index < _TEST_WORDS:
        raise ValueError(f"a guard looks at one of the first {_TEST_WORDS} words, not at {guard.word_index}")
    test, bounds = guard.word_index, b""
    if guard.least != 0:
        test |= _TEST_LEAST
        bounds += _number(guard.least, "a guard's least")
    if guard.most != _MOST_UINT256:
        test |= _TEST_MOST
        bounds += _number(guard.most, "a guard's most")
    return table[guard.target] + _sized(guard.data, 2, "a guard's data") + bytes((test,)) + bounds


def _step(step: Step, table: _Table) -> bytes:
    call, data = step.call, step.call.data
    flags, fields = _spending(step, table)
    if step.value_wei:
        flags |= _VALUE
        fields += _number(step.value_wei, "a step's value")
    if call.callback is not None:
        flags |= _CALLBACK
        fields += _callback(call.callback, at=len(data), table=table)
        data = _with_program(data, _callback_program(call.callback, step.inside, table))
    elif step.inside:
        raise ValueError("steps are to run inside a callback, but the call makes none")
    if call.balance_word is not None:
        flags |= _BALANCE
        balance_word = _balance_word(call.balance_word, call.data, table)
        if step.skip_if_too_low:
            flags |= _SKIP
            balance_word += _fixed(len(fields), 1, "what is passed over")
        fields = balance_word + fields
    elif step.skip_if_too_low:
        raise ValueError("a step that may be left out must measure a balance")
    return bytes((flags,)) + table[call.target] + _sized(data, 2, "a step's data") + fields


def _spending(step: Step, table: _Table) -> tuple[int, bytes]:
    """Return the flag and the fields of what a step spends."""
    spend, word = step.call.spend, step.call.balance_word
    if spend is None:
        if step.spender is not None:
            raise ValueError("a spender is named, but nothing to spend")
        return 0, b""
    spender = table[step.spender or step.call.target]
    if word is not None and word.token == spend.token:
        return _SPEND_BALANCE, spender
    return _SPEND, table[spend.token] + _number(spend.amount_raw, "what is spent") + spender


def _balance_word(word: BalanceWord, data: bytes, table: _Table) -> bytes:
    if not 0 <= word.offset <= len(data) - 32:
        raise ValueError(f"a word at {word.offset} is not within {len(data)} bytes of data")
    offset = _fixed(word.offset, 2, "a word's offset")
    return table[word.token] + offset + _number(word.minimum_raw, "a minimum")


def _callback(callback: Callback, *, at: int, table: _Table) -> bytes:
    if len(callback.selector) != 4:
        raise ValueError(f"a selector has 4 bytes, not {len(callback.selector)}")
    initiator = _NO_ARGUMENT if callback.initiator_argument is None else callback.initiator_argument
    return b"".join(
        (
            table[callback.caller],
            callback.selector,
            _fixed(callback.program_argument, 1, "the bytes argument"),
            _fixed(initiator, 1, "the initiator argument"),
            _fixed(at, 2, "the callback's offset"),
        )
    )


def _callback_program(callback: Callback, inside: Sequence[Step], table: _Table) -> bytes:
    repay = callback.repay
    repayments = b"" if repay is None else table[repay.token] + _number(repay.amount_raw, "what is repaid")
    answer = _sized(callback.answer, 1, "a callback's answer")
    return answer + _sized(repayments, 1, "the repayments") + _body((), inside, table)


def _with_program(data: bytes, program: bytes) -> bytes:
    """Return `data` with `program` as its last argument, which must be bytes, and empty."""
    if len(data) < 4 + 64 or data[-32:] != bytes(32):
        raise ValueError("data that makes a callback must end in an empty bytes argument")
    return data[:-32] + _abi_bytes(program)


def _abi_bytes(value: bytes) -> bytes:
    return len(value).to_bytes(32, "big") + value + bytes(-len(value) % 32)


# --- numbers ------------------------------------------------------------------------------------------------


def _fixed(value: int, size: int, what: str) -> bytes:
    if not 0 <= value < 256**size:
        raise ValueError(f"{what} must fit {size} bytes: {value}")
    return value.to_bytes(size, "big")


def _number(value: int, what: str) -> bytes:
    if not 0 <= value <= _MOST_UINT256:
        raise ValueError(f"{what} must fit 32 bytes: {value}")
    size = (value.bit_length() + 7) // 8
    return bytes((size,)) + value.to_bytes(size, "big")


def _count(items: Sequence[object], what: str) -> bytes:
    if len(items) > 255:
        raise ValueError(f"at most 255 {what}, not {len(items)}")
    return bytes((len(items),))


def _sized(value: bytes, size: int, what: str) -> bytes:
    return _fixed(len(value), size, f"{what}, in bytes,") + value
