"""The past as a World: what the archive answers, with what the keeper did in it laid over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from keeper.backtest import past
from keeper.backtest.overlay import Carried
from keeper.backtest.past import Past
from keeper.domain.address import Address, word
from keeper.domain.head import Head
from keeper.domain.state import Mined, StateRef
from keeper.ports import NewHead, Signal, World
from keeper.query import Account, AccountState, Answer, Ask, Balance, Call, Log, Logs

_PURSE_WEI = 10**21


class PastWorld:
    """A :class:`keeper.ports.World` at one past head after another; whoever drives it says which.

    The head in hand is seen with what lies over it: calls and simulations through the words that the
    keeper's transactions left, its logs with those that they would have added. Others are as they were.
    """

    def __init__(self, world: World, past: Past, carried: Carried, *, purse_of: Address | None) -> None:
        """`purse_of` is an operator that exists within the backtest only: it is taken to have gas."""
        self._world = world
        self._past = past
        self._carried = carried
        self._purse_of = purse_of
        self._head: Head | None = None
        self._own_logs: tuple[Log, ...] = ()
        self._closed: frozenset[Address] = frozenset()
        self.named: frozenset[Address] = frozenset()
        """Whom the topics of the head's logs name, of those that concern the keeper."""

    def at(self, head: Head, own_logs: tuple[Log, ...], closed: frozenset[Address]) -> None:
        """Be at a head; in it the keeper's transactions logged this, and closed these borrowers."""
        self._head = head
        self._own_logs = own_logs
        self._closed = closed
        self.named = frozenset()

    async def signals(self) -> AsyncIterator[Signal]:
        """Yield the head in hand: who drives this world steps the engine itself."""
        if self._head is not None:
            yield NewHead(head=self._head, seen_at_s=self._head.timestamp_s)

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        """Return the archive's answers, at the head in hand upon what is carried."""
        if self._head is None or at.hash != self._head.hash:
            return await self._world.answer(asks, at)
        if self._closed:
            await self._tell_apart(asks)
        answers = await self._world.answer(asks, self._carried.state(Mined(hash=at.hash)))
        return tuple(
            [
                answer if isinstance(ask, Call) else self._with_own(ask, answer)
                for ask, answer in zip(asks, answers, strict=True)
            ]
        )

    async def _tell_apart(self, asks: Sequence[Ask]) -> None:
        """Learn which words are a position's: those that a question about its borrower reads."""
        assert self._head is not None
        for borrower in sorted(self._closed):
            about = [
                (ask.to, ask.data) for ask in asks if isinstance(ask, Call) and word(borrower) in ask.data
            ]
            if about:
                read = await past.read_by(self._past, self._head, tuple(dict.fromkeys(about)))
                self._carried.own(read, borrower)

    def _with_own(self, ask: Ask, answer: Answer) -> Answer:
        match ask:
            case Logs(emitters=emitters, topics=topics) if isinstance(answer, tuple):
                logs = tuple(log for log in answer if isinstance(log, Log))
                self.named |= {Address(topic[12:]) for log in logs for topic in log.topics[1:]}
                wanted = frozenset(emitters)
                return logs + tuple(
                    log
                    for log in self._own_logs
                    if log.emitter in wanted and (not topics or (log.topics[:1] and log.topics[0] in topics))
                )
            case Account(address=address) if address == self._purse_of and isinstance(answer, AccountState):
                return answer._replace(balance_wei=max(answer.balance_wei, _PURSE_WEI))
            case Balance(address=address) if address == self._purse_of and isinstance(answer, int):
                return max(answer, _PURSE_WEI)
            case _:
                return answer
