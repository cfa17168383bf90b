"""The brakes: when nothing more is sent, until somebody says so or a pause is over. Pure: told the time.

What is counted is what the chain did, as the journal has it, so a restart changes nothing:

- *gas*: the most that may be burned within an hour, by whatever was included, its success or not;
- *reverts*: how many in a row may revert; one that succeeds begins the row anew;
- *loss*: the most that a day may cost, all that was earned deducted.

A brake that is on stays on through everything but a release: `resume`, or the end of a set pause. What was
counted before the release is not counted again. Time that steps back releases nothing: what seems to lie
ahead counts as just now.

Beside them, each borrower backs off by itself: after a plan of theirs failed on the chain the next is sent
only after a while, twice as long each time. A simulation that failed costs nothing but its head.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keeper.domain.brake import Brake, Landed, Resumed, Tripped
from keeper.domain.declined import Declined, Reason
from keeper.domain.position import PositionId

_HOUR_S = 3_600
_DAY_S = 86_400
_LONGEST_BACKOFF_S = 3_600
_UNIT_WEI = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the operator allows; None where there is no limit."""

    max_gas_wei_per_hour: int | None = None
    max_reverts_in_row: int | None = None
    max_loss_wei_per_day: int | None = None
    pause_s: int | None = None
    """How long a brake holds by itself; None until somebody resumes."""
    first_backoff_s: int = 24
    """How long a borrower waits after the first plan that failed on the chain."""


class Brakes:
    """The brakes of one keeper: told what landed, asked before each send."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._recent: deque[Landed] = deque()
        """What is counted: since the last release, and within a day."""
        self._reverts_in_row = 0
        self._failures: dict[PositionId, tuple[int, int]] = {}
        """By borrower: how often in a row a plan failed on the chain, and when last."""
        self._tripped: Tripped | None = None

    def rebuild(self, happened: Iterable[Landed | Tripped | Resumed]) -> None:
        """Take in what the journal has, oldest first: the same as having lived through it."""
        for one in happened:
            match one:
                case Landed():
                    self.land(one)  # where its brake could not be written down, it comes on again
                case Tripped():
                    self._tripped = one
                case Resumed():
                    self.resume()

    def land(self, landed: Landed) -> Tripped | None:
        """Take in what the chain did; return the brake that comes on by it, to be written down."""
        self._end_pause(landed.at_s)
        self._count(landed)
        if self._tripped is not None:
            return None
        self._tripped = self._too_much(landed.at_s)
        return self._tripped

    def resume(self) -> None:
        """Release whatever is on, and count anew from here."""
        self._tripped = None
        self._recent.clear()
        self._reverts_in_row = 0

    def on(self, now_s: int) -> Tripped | None:
        """Return the brake that is on, or None where sending is free."""
        self._end_pause(now_s)
        return self._tripped

    def backing_off(self, position: PositionId, now_s: int) -> Declined | None:
        """Return for how long this borrower is left alone still, or None."""
        times, last_s = self._failures.get(position, (0, 0))
        if not times:
            return None
        wait_s = min(self._limits.first_backoff_s * 2 ** (times - 1), _LONGEST_BACKOFF_S)
        left_s = wait_s - max(0, now_s - last_s)
        if left_s <= 0:
            return None
        return Declined(
            reason=Reason.BACKING_OFF, detail=f"{times} failed on the chain; tried again in {left_s} s"
        )

    # --- counting -------------------------------------------------------------------------------------------

    def _count(self, landed: Landed) -> None:
        self._recent.append(landed)
        while self._recent and landed.at_s - self._recent[0].at_s > _DAY_S:
            self._recent.popleft()
        if not landed.is_liquidation:
            return
        self._reverts_in_row = self._reverts_in_row + 1 if landed.reverted else 0
        for position in landed.positions:
            if landed.reverted or position in landed.left_out:
                times, _ = self._failures.get(position, (0, 0))
                self._failures[position] = (min(times + 1, 20), landed.at_s)
            else:
                self._failures.pop(position, None)

    def _too_much(self, now_s: int) -> Tripped | None:
        limits = self._limits
        gas_wei = sum(one.gas_wei for one in self._recent if now_s - one.at_s <= _HOUR_S)
        loss_wei = -sum(one.profit_wei for one in self._recent if now_s - one.at_s <= _DAY_S)
        found: Mapping[Brake, tuple[int, int | None, str]] = {
            Brake.GAS: (
                gas_wei,
                limits.max_gas_wei_per_hour,
                f"{gas_wei / _UNIT_WEI:.6f} burned within an hour",
            ),
            Brake.REVERTS: (
                self._reverts_in_row,
                limits.max_reverts_in_row,
                f"{self._reverts_in_row} reverted in a row",
            ),
            Brake.LOSS: (loss_wei, limits.max_loss_wei_per_day, f"{loss_wei / _UNIT_WEI:.6f} lost in a day"),
        }
        for brake, (amount, most, detail) in found.items():
            if most is not None and amount >= most and amount > 0:
                return Tripped(at_s=now_s, brake=brake, detail=detail)
        return None

    def _end_pause(self, now_s: int) -> None:
        if self._tripped is None or self._limits.pause_s is None:
            return
        if now_s - self._tripped.at_s >= self._limits.pause_s:
            self.resume()
