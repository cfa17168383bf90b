"""The seam of the house: sources ask, a World answers. The first file to read.

What a protocol, a venue or a flash lender must know of the chain it does not fetch. It is a generator that
yields tuples of *asks* and is resumed with their *answers*; what it returns is its result. `settle` runs
many such queries side by side and joins their asks into one batch a round; `run` drives the whole against a
World, at one state, and asks each thing once. So however many sources there are, a block's reads are one
batch a round; a test needs no node; and what was answered can be recorded and replayed.

Sources write their questions with the typed leaves `read`, `attempt`, `logs`, `log_range`, `block_hashes`,
`accounts`, `balance` and `simulate`, and never see a raw answer. A source whose assumption fails raises
:class:`Broken`: it is skipped at this state, with its reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar, cast

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Broken, Invariant
from keeper.domain.head import Head, NextBlock
from keeper.domain.state import StateRef

T = TypeVar("T")
U = TypeVar("U")

# Asks are NamedTuples: they are hashed and compared in C, some hundreds of them at every head.


class Call(NamedTuple):
    """What `to` answers to `data`."""

    to: Address
    data: bytes


class Logs(NamedTuple):
    """The logs of the very block asked about, by these emitters; all topics where `topics` is empty."""

    emitters: tuple[Address, ...]
    topics: tuple[Hash32, ...] = ()


class LogRange(NamedTuple):
    """The logs of blocks `first` to `last`, both included, by these emitters with these first topics."""

    emitters: tuple[Address, ...]
    topics: tuple[Hash32, ...]
    first: int
    last: int


class Ancestors(NamedTuple):
    """The hashes of the blocks of these numbers, all below the block asked about, which is `head_number`."""

    numbers: tuple[int, ...]
    head_number: int


class Account(NamedTuple):
    """Nonce, balance and code of an account."""

    address: Address


class Balance(NamedTuple):
    """The native coins of an account, in wei."""

    address: Address


class SimulatedCall(NamedTuple):
    """One transaction of a simulation."""

    sender: Address
    to: Address
    data: bytes


class Simulate(NamedTuple):
    """These transactions in this order, alone in the block `block`, upon the state asked about."""

    calls: tuple[SimulatedCall, ...]
    block: NextBlock


Ask: TypeAlias = Call | Logs | LogRange | Ancestors | Account | Balance | Simulate


class Reverted(NamedTuple):
    """A call that reverted, with what it returned."""

    data: bytes


class Log(NamedTuple):
    """One event, where it stands in the chain."""

    emitter: Address
    topics: tuple[Hash32, ...]
    data: bytes
    block_number: int
    log_index: int
    transaction: Hash32


class AccountState(NamedTuple):
    """An account as it stands."""

    nonce: int
    balance_wei: int
    code: bytes


class Simulated(NamedTuple):
    """What became of one simulated transaction; `returned` is the revert's data where it `reverted`."""

    reverted: bool
    gas_used: int
    returned: bytes


class Unanswered(NamedTuple):
    """What a world that was recorded, or lives on less than a chain, does not know: never a guess instead."""

    why: str


Answer: TypeAlias = (
    bytes
    | int
    | Reverted
    | tuple[Log, ...]
    | tuple[Hash32, ...]
    | AccountState
    | tuple[Simulated, ...]
    | Unanswered
)
Query: TypeAlias = Generator[tuple[Ask, ...], tuple[Answer, ...], T]


class Answering(Protocol):
    """The part of a World that a query needs."""

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]: ...


# --- leaves -------------------------------------------------------------------------------------------------


def attempt(calls: Sequence[Call], decode: Callable[[bytes], T]) -> Query[tuple[T | Reverted, ...]]:
    """Return each call's decoded answer, or how it reverted. Raises Broken where one is none, or unknown."""
    if not calls:
        return ()
    answers = yield tuple(calls)
    return tuple(
        [
            answer if isinstance(answer, Reverted) else _decoded(call, answer, decode)
            for call, answer in zip(calls, answers, strict=True)
        ]
    )


def read(calls: Sequence[Call], decode: Callable[[bytes], T]) -> Query[tuple[T, ...]]:
    """Return each call's decoded answer. Raises Broken where one reverts or does not decode."""
    values = yield from attempt(calls, decode)
    for call, value in zip(calls, values, strict=True):
        if isinstance(value, Reverted):
            raise Broken(f"{_named(call)} reverted with 0x{value.data.hex()}")
    return cast("tuple[T, ...]", values)


def read_one(call: Call, decode: Callable[[bytes], T]) -> Query[T]:
    """Return one call's decoded answer. Raises Broken where it reverts or does not decode."""
    (value,) = yield from read((call,), decode)
    return value


def logs(emitters: Sequence[Address], topics: Sequence[Hash32] = ()) -> Query[tuple[Log, ...]]:
    """Return the logs of the block asked about, in their order."""
    if not emitters:
        return ()
    (answer,) = yield (Logs(tuple(emitters), tuple(topics)),)
    return _logs(answer)


def log_range(
    emitters: Sequence[Address], topics: Sequence[Hash32], *, first: int, last: int
) -> Query[tuple[Log, ...]]:
    """Return the logs of blocks `first` to `last`, both included, in their order."""
    (answer,) = yield (LogRange(tuple(emitters), tuple(topics), first, last),)
    return _logs(answer)


def block_hashes(numbers: Sequence[int], *, head: Head) -> Query[tuple[Hash32, ...]]:
    """Return the hashes of these blocks, ancestors of `head`, which is the block asked about."""
    (answer,) = yield (Ancestors(tuple(numbers), head.number),)
    _must_be_known(answer)
    if not isinstance(answer, tuple) or not all(isinstance(one, bytes) for one in answer):
        raise Invariant("a question for hashes was not answered by hashes")
    return tuple(Hash32(one) for one in answer if isinstance(one, bytes))


def accounts(addresses: Sequence[Address]) -> Query[tuple[AccountState, ...]]:
    """Return each account as it stands."""
    answers = yield tuple(Account(address) for address in addresses)
    for answer in answers:
        _must_be_known(answer)
    if not all(isinstance(answer, AccountState) for answer in answers):
        raise Invariant("an Account was not answered by an AccountState")
    return tuple(answer for answer in answers if isinstance(answer, AccountState))


def balance(address: Address) -> Query[int]:
    """Return an account's native coins, in wei."""
    (answer,) = yield (Balance(address),)
    _must_be_known(answer)
    if not isinstance(answer, int):
        raise Invariant("a Balance was not answered by a number")
    return answer


def simulate(calls: Sequence[SimulatedCall], block: NextBlock) -> Query[tuple[Simulated, ...]]:
    """Return what becomes of each transaction, run in order in `block`."""
    (answer,) = yield (Simulate(tuple(calls), block),)
    _must_be_known(answer)
    if not isinstance(answer, tuple) or not all(isinstance(one, Simulated) for one in answer):
        raise Invariant("a Simulate was not answered by Simulated")
    return tuple(one for one in answer if isinstance(one, Simulated))


def _must_be_known(answer: Answer) -> None:
    if isinstance(answer, Unanswered):
        raise Broken(answer.why)


def _decoded(call: Call, answer: Answer, decode: Callable[[bytes], T]) -> T:
    if not isinstance(answer, bytes):
        _must_be_known(answer)
        raise Invariant(f"a Call was answered by {type(answer).__name__}")
    try:
        return decode(answer)
    except (ValueError, IndexError, OverflowError) as error:
        raise Broken(f"{_named(call)} gave {len(answer)} bytes that do not decode: {error}") from error


def _named(call: Call) -> str:
    return f"call 0x{call.data[:4].hex()} to 0x{call.to.hex()}"


def _logs(answer: Answer) -> tuple[Log, ...]:
    _must_be_known(answer)
    if not isinstance(answer, tuple) or not all(isinstance(one, Log) for one in answer):
        raise Invariant("a question for logs was not answered by logs")
    return tuple(one for one in answer if isinstance(one, Log))


# --- queries side by side -----------------------------------------------------------------------------------


def settle(queries: Sequence[Query[T]]) -> Query[tuple[T | Broken, ...]]:
    """Run queries side by side, each round of all as one batch; one that breaks does not stop the others."""
    results: list[T | Broken | None] = [None] * len(queries)
    running: list[tuple[int, Any]] = [(place, None) for place in range(len(queries))]
    while True:
        waiting: list[tuple[int, int]] = []
        asked: list[Ask] = []
        for place, share in running:
            try:
                asks = queries[place].send(share)  # at first None: it starts
            except StopIteration as stop:
                results[place] = stop.value
            except Broken as why:
                results[place] = why
            else:
                waiting.append((place, len(asks)))
                asked += asks
        if not waiting:
            return tuple(cast("list[T | Broken]", results))
        answers = yield tuple(asked)
        running, at = [], 0
        for place, count in waiting:
            running.append((place, answers[at : at + count]))
            at += count


def gather(queries: Sequence[Query[T]]) -> Query[tuple[T, ...]]:
    """Run queries side by side and return their results; the first that broke raises once all have ended."""
    results = yield from settle(queries)
    for result in results:
        if isinstance(result, Broken):
            raise result
    return cast("tuple[T, ...]", results)


def both(left: Query[T], right: Query[U]) -> Query[tuple[T, U]]:
    """Run two queries of different kinds side by side and return both results."""
    either: tuple[Query[Any], Query[Any]] = (left, right)
    first, second = yield from gather(either)
    return first, second


def ahead(query: Query[object]) -> Query[None]:
    """Ask what a query asks, so that it is known already where it is asked again at the same state.

    Whatever breaks in it is passed over: it may be a guess.
    """
    yield from settle([query])


class Paced(Generic[T]):
    """A query that is taken further one round at a time, each at a state of its own: for what hardly changes.

    A round that the world did not answer is asked again the next time.
    """

    def __init__(self, query: Query[T]) -> None:
        self._query = query
        self._asks: tuple[Ask, ...] | None = None
        """None before its first round."""

    def round(self) -> Query[T | None]:
        """Return the query's result where this was its last round, else None. Raises Broken as it does."""
        try:
            if self._asks is None:
                self._asks = next(self._query)
            answers = yield self._asks
            self._asks = self._query.send(answers)
        except StopIteration as stop:
            result: T = stop.value
            return result
        return None


async def run(query: Query[T], at: StateRef, world: Answering) -> T:
    """Drive a query to its end at one state. Each thing is asked once, however many sources ask it."""
    known: dict[Ask, Answer] = {}
    try:
        asks = next(query)
        while True:
            if new := [ask for ask in dict.fromkeys(asks) if ask not in known]:
                known.update(zip(new, await world.answer(new, at), strict=True))
            asks = query.send(tuple([known[ask] for ask in asks]))
    except StopIteration as stop:
        result: T = stop.value
        return result
