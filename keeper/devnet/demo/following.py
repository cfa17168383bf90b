"""Following the keeper: what it decides upon each head, by its own log; and its one death and return."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from keeper.devnet.demo import log
from keeper.devnet.demo.log import Line
from keeper.devnet.demo.report import Recovery
from keeper.devnet.demo.stage import Stage
from keeper.devnet.proxy_thread import Trap
from keeper.domain.declined import Declined
from keeper.domain.plan import Plan
from keeper.domain.position import PositionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the keeper decided upon one head."""

    pursued: tuple[tuple[Plan, log.Sent], ...]
    """What it sent, in the order of nonces."""
    left: Mapping[PositionId, Declined]

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Return the plans of what it sent, in the order of nonces."""
        return tuple(plan for plan, _ in self.pursued)


class Follower:
    """Starts the keeper, waits for its decisions, and ends it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._daemon = stage.start_keeper()
        self._trap: Trap | None = None
        self.recovery: Recovery | None = None
        """How it came back from being killed."""
        self.claimed_wei = 0
        """What it says that it has earned so far."""

    def stop(self) -> None:
        """Ask the keeper to end, and wait until it has."""
        self._daemon.stop()

    def set_trap(self) -> None:
        """Have the keeper killed the next time that it sends: when the transaction is out, the answer not in.

        Once: it is told again in vain.
        """
        if self._trap is None:
            self._trap = self._stage.proxy.trap("eth_sendRawTransaction")

    def decision(self, head: int) -> Decision:
        """Return what the keeper decided upon a head, once it has logged that it has. Raises Ended."""
        lines = self._daemon.until(_decided_upon(head), interrupted=self._trapped)
        if self._trapped():
            lines += self._kill_and_restart(head)
        self.claimed_wei += sum(log.claimed_wei(line) for line in lines if line["event"] == "concluded")
        return _decision(lines)

    def killed_over(self, block_number: int) -> PositionId | None:
        """Return which liquidation in that block the keeper was killed over, if any."""
        recovery = self.recovery
        return recovery.position if recovery and recovery.block_number == block_number else None

    def count_liquidations(self, block_number: int) -> None:
        """Count how often what the keeper was killed over is liquidated in that block."""
        position = self.killed_over(block_number)
        if position is not None and self.recovery is not None:
            found = self._stage.liquidations(position, block_number)
            self.recovery = replace(self.recovery, liquidations=found)

    def _trapped(self) -> bool:
        """Return whether the keeper holds still in mid-send, never to go on.

        That is where an answer is not in, and everything that it has written down is out: what it had no time
        to send would not be in the next block, as is expected of what it says that it found again.
        """
        if self._trap is None or not self._trap.sprung or self.recovery is not None:
            return False
        self._daemon.hold_still()
        if self._stage.are_all_out():
            return True
        self._daemon.go_on()
        return False

    def _kill_and_restart(self, head: int) -> list[Line]:
        """Kill the keeper, start another, and return what the two have logged of this head."""
        assert self._trap is not None
        began_s = time.monotonic()
        lines = self._daemon.kill()
        self._trap.release()
        self._daemon = self._stage.start_keeper()
        heard = self._daemon.until(_decided_upon(head))
        recovered = next(line for line in heard if line["event"] == "recovered")
        submission = log.sent(recovered)
        self.recovery = Recovery(
            block_number=head + 1,
            position=submission.position,
            hash=submission.hash,
            back_after_s=time.monotonic() - began_s,
            found=recovered["outcome"] and recovered["outcome"]["kind"],
            liquidations=0,
        )
        return lines + heard


def _decided_upon(head: int) -> Callable[[Line], bool]:
    return lambda line: line["event"] == "decided" and log.head_number(line) == head


def _decision(lines: Iterable[Line]) -> Decision:
    """Return the decision that these lines tell of."""
    plans: dict[PositionId, Plan] = {}
    pursued: dict[PositionId, tuple[Plan, log.Sent]] = {}
    left: dict[PositionId, Declined] = {}
    for line in lines:
        match line["event"]:
            case "planned":
                plan = log.plan(line)
                plans[plan.draft.position] = plan
            case "sent" | "recovered":
                sent = log.sent(line)
                pursued[sent.position] = plans[sent.position], sent
            case "left":
                position, why = log.left(line)
                left[position] = why
    in_order = sorted(pursued.values(), key=lambda entry: entry[1].nonce)
    return Decision(pursued=tuple(in_order), left=left)
