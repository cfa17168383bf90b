"""The packing: what is written can be read again by the rules that the contract reads by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.abi import interface
from keeper.contracts import executor
from keeper.domain.address import Address
from keeper.domain.calls import BalanceWord, Callback, ContractCall, Guard, Spend
from keeper.planner.calldata import (
    EXECUTE_SELECTOR,
    Leg,
    OptionalLeg,
    Program,
    Step,
    encode,
    execute_calldata,
)

MOST = 2**256 - 1
WETH = Address(b"\xee" * 20)
USDC = Address(b"\x01" * 20)
WBTC = Address(b"\x02" * 20)
POOL = Address(b"\x03" * 20)
ROUTER = Address(b"\x04" * 20)
SELECTOR = bytes.fromhex("1b11d0ff")


def _program(*steps: Step, **fields: Any) -> Program:
    defaults = {"wrapped_native": WETH, "deadline_s": 1, "floor_wei": 0, "legs": (Leg(steps=steps),)}
    return Program(**(defaults | fields))


def _callback(**fields: Any) -> Callback:
    defaults = {
        "caller": POOL,
        "selector": SELECTOR,
        "program_argument": 4,
        "initiator_argument": 3,
        "answer": b"\x01",
        "repay": Spend(token=USDC, amount_raw=1_001),
    }
    return Callback(**(defaults | fields))


def _flash(**fields: Any) -> ContractCall:
    return ContractCall(target=POOL, data=b"\xaa" * 4 + bytes(64), callback=_callback(**fields))


# --- by hand


def test_encode__empty_program__is_header_and_counts() -> None:
    program = _program(legs=(), deadline_s=0x0102030405, floor_wei=0x0607, tip_bps=0x0809, tip_cap_wei=10)
    assert encode(program) == _joined("0102030405 020607 0809 010a", "0000", "00 00")


def test_encode__flash_loan_liquidation_and_sale__is_as_laid_out() -> None:
    liquidate = ContractCall(target=POOL, data=b"\xbb" * 4, spend=Spend(token=USDC, amount_raw=1_000))
    sell = ContractCall(
        target=ROUTER,
        data=b"\xcc" * 4 + bytes(32),
        spend=Spend(token=WBTC, amount_raw=0),
        balance_word=BalanceWord(token=WBTC, offset=4, minimum_raw=7),
    )
    guard = Guard(target=ROUTER, data=b"\xdd", word_index=2, least=5, most=MOST)
    packed = encode(
        _program(
            Step(call=_flash(), inside=(Step(call=liquidate), Step(call=sell, skip_if_too_low=True))),
            floor_wei=9,
            guards=(guard,),
        )
    )
    inner = _joined(
        "01 01",  # what the callback answers
        "04 01 0203e9",  # one repayment: 1001 of token 1
        "00 02",  # no guards, two steps
        "04 04 0004 bbbbbbbb 01 0203e8 04",  # to 4, spending 1000 of token 1 to 4
        "0b 03 0024 cccccccc" + "00" * 32,  # to 3,
        "02 0004 0107 01 03",  # with the balance of token 2, at least 7, else 1 byte is passed over: to 3
    )
    data = _joined("aaaaaaaa" + "00" * 32, f"{len(inner):064x}", inner.hex(), "00" * (-len(inner) % 32))
    assert packed == _joined(
        "0000000001 0109 0000 00",  # deadline, floor, no tip
        "02 04",  # two tokens, four addresses
        USDC.hex() + WBTC.hex() + ROUTER.hex() + POOL.hex(),
        "01 03 0001 dd 82 0105",  # one guard: of 3, word 2, at least 5
        "01 00 00 01",  # one leg, which must succeed, no guards, one step
        f"20 04 {len(data):04x}",
        data.hex(),
        "04 1b11d0ff 04 03 0044",  # to 4, which calls back with its bytes at 68 of the data
    )


def _joined(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts))


def test_execute_calldata__any_program__is_one_bytes_argument() -> None:
    packed = encode(_program())
    function = interface(executor().abi).function("execute")
    assert function.selector == EXECUTE_SELECTOR
    assert execute_calldata(_program()) == function.encode(packed)


def test_encode__wrapped_native__is_index_zero_and_not_listed() -> None:
    call = ContractCall(target=WETH, data=b"", spend=Spend(token=WETH, amount_raw=1))
    assert encode(_program(Step(call=call))) == _joined(
        "0000000001 00 0000 00", "0000", "00", "01 00 00 01", "04 00 0000 00 0101 00"
    )


def test_encode__initiator_not_given__is_no_argument() -> None:
    packed = encode(_program(Step(call=_flash(initiator_argument=None))))
    assert (SELECTOR + b"\x04\xff").hex() in packed.hex()


# --- what does not fit


def _guarded(count: int = 1, **fields: Any) -> dict[str, Any]:
    defaults = {"target": POOL, "data": b"", "word_index": 0, "least": 0, "most": 0}
    return {"guards": (Guard(**(defaults | fields)),) * count}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"deadline_s": 2**40}, "the deadline must fit 5 bytes"),
        ({"deadline_s": -1}, "the deadline must fit 5 bytes"),
        ({"floor_wei": -1}, "the floor must fit 32 bytes"),
        ({"floor_wei": 2**256}, "the floor must fit 32 bytes"),
        ({"tip_bps": 65_536}, "the tip's share must fit 2 bytes"),
        ({"tip_cap_wei": 2**256}, "the tip's cap must fit 32 bytes"),
        ({"wrapped_native": Address(b"\x01" * 19)}, "an address has 20 bytes, not 19"),
        (
            {"touched": tuple(Address(i.to_bytes(20, "big")) for i in range(256))},
            "the tokens must fit 1 byte",
        ),
        (_guarded(count=256), "at most 255 guards, not 256"),
        (_guarded(word_index=64), "the first 64 words, not at 64"),
        (_guarded(least=-1), "a guard's least must fit 32 bytes"),
        (_guarded(data=bytes(65_536)), "a guard's data, in bytes, must fit 2 bytes"),
        ({"legs": (Leg(steps=()),) * 256}, "at most 255 legs, not 256"),
        ({"legs": (OptionalLeg(steps=(), gas_limit=2**24),)}, "a leg's gas limit must fit 3 bytes"),
    ],
)
def test_encode__value_that_does_not_fit__raises(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encode(_program(**fields))


def _call(**fields: Any) -> ContractCall:
    return ContractCall(**({"target": POOL, "data": b""} | fields))


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (Step(call=_call(data=bytes(65_536))), "a step's data, in bytes, must fit 2 bytes"),
        (Step(call=_call(spend=Spend(token=USDC, amount_raw=2**256))), "what is spent must fit 32 bytes"),
        (Step(call=_call(), value_wei=-1), "a step's value must fit 32 bytes"),
        (Step(call=_call(), spender=ROUTER), "nothing to spend"),
        (Step(call=_call(), skip_if_too_low=True), "must measure a balance"),
        (Step(call=_call(), inside=(Step(call=_flash()),)), "the call makes none"),
        (
            Step(call=_call(data=bytes(36), balance_word=BalanceWord(token=USDC, offset=5, minimum_raw=0))),
            "a word at 5 is not within 36 bytes",
        ),
        (Step(call=_flash(selector=b"\x01\x02\x03")), "a selector has 4 bytes, not 3"),
        (Step(call=_flash(answer=bytes(256))), "a callback's answer, in bytes, must fit 1 byte"),
        (Step(call=_flash(program_argument=256)), "the bytes argument must fit 1 byte"),
        (Step(call=_call(data=b"\xaa" * 68, callback=_callback())), "end in an empty bytes argument"),
        (Step(call=_call(data=bytes(36), callback=_callback())), "end in an empty bytes argument"),
    ],
)
def test_encode__step_that_does_not_fit__raises(step: Step, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encode(_program(step))


# --- whatever it is, it can be read again

_known = st.sampled_from([WETH, USDC, WBTC, POOL, ROUTER])
_addresses = _known | st.binary(min_size=20, max_size=20).map(Address)
_amounts = st.integers(0, 300) | st.integers(0, MOST)
_spends = st.builds(Spend, token=_addresses, amount_raw=_amounts)
_guards = st.builds(
    Guard,
    target=_addresses,
    data=st.binary(max_size=70),
    word_index=st.integers(0, 63),
    least=_amounts,
    most=_amounts | st.just(MOST),
)


@st.composite
def _steps(draw: st.DrawFn, depth: int = 0) -> Step:
    data = draw(st.binary(min_size=4, max_size=80))
    word = spend = callback = None
    inside: tuple[Step, ...] = ()
    if len(data) >= 36 and draw(st.booleans()):
        word = BalanceWord(
            token=draw(_addresses), offset=draw(st.integers(0, len(data) - 32)), minimum_raw=draw(_amounts)
        )
    if draw(st.booleans()):
        spend = draw(_spends)
        if word is not None and word.token == spend.token:
            spend = Spend(token=spend.token, amount_raw=0)  # the balance found is what is approved
    if depth < 2 and draw(st.booleans()):
        data += bytes(64)
        callback = Callback(
            caller=draw(_addresses),
            selector=draw(st.binary(min_size=4, max_size=4)),
            program_argument=draw(st.integers(0, 9)),
            initiator_argument=draw(st.none() | st.integers(0, 9)),
            answer=draw(st.sampled_from([b"", bytes(31) + b"\x01"])),
            repay=draw(st.none() | _spends),
        )
        inside = draw(st.lists(_steps(depth + 1), max_size=2).map(tuple))
    return Step(
        call=ContractCall(
            target=draw(_addresses), data=data, spend=spend, balance_word=word, callback=callback
        ),
        inside=inside,
        spender=draw(_addresses) if spend is not None and draw(st.booleans()) else None,
        value_wei=draw(st.sampled_from([0, 0, 5, 2**70])),
        skip_if_too_low=word is not None and draw(st.booleans()),
    )


_leg_fields = {
    "steps": st.lists(_steps(), max_size=3).map(tuple),
    "guards": st.lists(_guards, max_size=2).map(tuple),
}
_programs = st.builds(
    Program,
    wrapped_native=st.just(WETH),
    deadline_s=st.integers(0, 2**40 - 1),
    floor_wei=_amounts,
    legs=st.lists(
        st.builds(Leg, **_leg_fields)
        | st.builds(OptionalLeg, **_leg_fields, gas_limit=st.integers(0, 2**24 - 1)),
        max_size=3,
    ).map(tuple),
    guards=st.lists(_guards, max_size=3).map(tuple),
    tip_bps=st.integers(0, 10_000),
    tip_cap_wei=_amounts,
)


@given(_programs)
def test_encode__any_program__reads_back(program: Program) -> None:
    reader = _Reader(encode(program))
    read = reader.program()
    assert reader.packed == b""
    assert _normal(program) == read


def _normal(program: Program) -> Program:
    """Return the program with each spender named, which is how it is packed."""

    def normal(step: Step) -> Step:
        spender = step.spender or (step.call.target if step.call.spend is not None else None)
        return Step(
            call=step.call,
            inside=tuple(normal(inner) for inner in step.inside),
            spender=spender,
            value_wei=step.value_wei,
            skip_if_too_low=step.skip_if_too_low,
        )

    legs: list[Leg | OptionalLeg] = []
    for leg in program.legs:
        steps = tuple(normal(step) for step in leg.steps)
        match leg:
            case Leg():
                legs.append(Leg(steps=steps, guards=leg.guards))
            case OptionalLeg():
                legs.append(OptionalLeg(steps=steps, guards=leg.guards, gas_limit=leg.gas_limit))
    return Program(
        wrapped_native=program.wrapped_native,
        deadline_s=program.deadline_s,
        floor_wei=program.floor_wei,
        legs=tuple(legs),
        guards=program.guards,
        tip_bps=program.tip_bps,
        tip_cap_wei=program.tip_cap_wei,
    )


@dataclass
class _Reader:
    """Reads as the contract does, from the front."""

    packed: bytes
    table: tuple[Address, ...] = ()
    tokens: int = 0

    def take(self, size: int) -> bytes:
        assert size <= len(self.packed)
        taken, self.packed = self.packed[:size], self.packed[size:]
        return taken

    def fixed(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def number(self) -> int:
        return self.fixed(self.fixed(1))

    def address(self) -> Address:
        return self.table[self.fixed(1)]

    def token(self) -> Address:
        index = self.fixed(1)
        assert index <= self.tokens, "what is spent or measured is swept"
        return self.table[index]

    def program(self) -> Program:
        deadline_s, floor_wei = self.fixed(5), self.number()
        tip_bps, tip_cap_wei = self.fixed(2), self.number()
        self.tokens, addresses = self.fixed(1), self.fixed(1)
        assert self.tokens <= addresses
        self.table = (WETH, *(Address(self.take(20)) for _ in range(addresses)))
        assert len(set(self.table)) == len(self.table)
        return Program(
            wrapped_native=WETH,
            deadline_s=deadline_s,
            floor_wei=floor_wei,
            tip_bps=tip_bps,
            tip_cap_wei=tip_cap_wei,
            guards=self.guards(),
            legs=tuple(self.leg() for _ in range(self.fixed(1))),
        )

    def guards(self) -> tuple[Guard, ...]:
        return tuple(self.guard() for _ in range(self.fixed(1)))

    def guard(self) -> Guard:
        target, data, test = self.address(), self.take(self.fixed(2)), self.fixed(1)
        return Guard(
            target=target,
            word_index=test & 0x3F,
            least=self.number() if test & 0x80 else 0,
            most=self.number() if test & 0x40 else MOST,
            data=data,
        )

    def leg(self) -> Leg | OptionalLeg:
        if self.fixed(1) == 0:
            guards = self.guards()
            return Leg(guards=guards, steps=self.steps())
        gas_limit = self.fixed(3)
        body = _Reader(self.take(self.fixed(2)), self.table, self.tokens)
        guards = body.guards()
        return OptionalLeg(gas_limit=gas_limit, guards=guards, steps=body.steps())

    def steps(self) -> tuple[Step, ...]:
        return tuple(self.step() for _ in range(self.fixed(1)))

    def step(self) -> Step:
        flags, target, data = self.fixed(1), self.address(), self.take(self.fixed(2))
        word = spend = spender = callback = skipped_to = None
        inside: tuple[Step, ...] = ()
        if flags & 1:
            word = BalanceWord(token=self.token(), offset=self.fixed(2), minimum_raw=self.number())
            if flags & 2:
                size = self.fixed(1)
                skipped_to = len(self.packed) - size
        if flags & 4:
            spend = Spend(token=self.token(), amount_raw=self.number())
        if flags & 8:
            assert word is not None
            spend = Spend(token=word.token, amount_raw=0)
        if flags & 12:
            spender = self.address()
        value_wei = self.number() if flags & 16 else 0
        if flags & 32:
            callback, inside, data = self.callback(data)
        assert skipped_to in (None, len(self.packed)), "passing over a step ends where it ends"
        return Step(
            call=ContractCall(target=target, data=data, spend=spend, balance_word=word, callback=callback),
            inside=inside,
            spender=spender,
            value_wei=value_wei,
            skip_if_too_low=bool(flags & 2),
        )

    def callback(self, data: bytes) -> tuple[Callback, tuple[Step, ...], bytes]:
        """Return the commitment, the steps in it, and the data as it was before they were put in."""
        caller, selector = self.address(), self.take(4)
        program_argument, initiator_argument, at = self.fixed(1), self.fixed(1), self.fixed(2)
        size = int.from_bytes(data[at - 32 : at], "big")
        assert len(data) == at + size + -size % 32
        inner = _Reader(data[at : at + size], self.table, self.tokens)
        answer = inner.take(inner.fixed(1))
        repayments = _Reader(inner.take(inner.fixed(1)), self.table, self.tokens)
        repay = Spend(token=repayments.token(), amount_raw=repayments.number()) if repayments.packed else None
        assert inner.guards() == ()
        inside = inner.steps()
        assert inner.packed == repayments.packed == b""
        callback = Callback(
            caller=caller,
            selector=selector,
            program_argument=program_argument,
            initiator_argument=None if initiator_argument == 0xFF else initiator_argument,
            answer=answer,
            repay=repay,
        )
        return callback, inside, data[: at - 32] + bytes(32)
