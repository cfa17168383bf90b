"""`kill -9` of the running keeper at thirty moments, chosen from outside, and what is left of it then.

A proxy before the endpoint holds the request that says where the keeper is; there it is killed. It is started
again on what it left behind, blocks go by, and then the journal is compared with the chain. Several moments
share a chain, one life of the keeper after another: what one life leaves open is the next one's to recover,
and that one may be killed while it does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from keeper.abi import interface
from keeper.contracts import executor
from keeper.devnet import Devnet
from keeper.devnet.build import BLOCK_S
from keeper.devnet.drill.audit import Landed, landed
from keeper.devnet.drill.stage import DEADLINE_S, DaemonStage, balance_raw, daemon_stage
from keeper.devnet.proxy_thread import Moment
from keeper.devnet.scenario import Step, crash
from keeper.devnet.written import Lines
from keeper.domain.address import Hash32
from keeper.domain.position import PositionId
from keeper.domain.submission import Expired, Included, Outcome, Reverted, Submission, Superseded
from tests.fork.catching import Catch

ASKED, ANSWERED = Moment.ASKED, Moment.ANSWERED


class Kind(StrEnum):
    """Where the keeper is when it is killed."""

    LOADING = "in the first load"
    FOLLOWING = "reading a head"
    SIMULATING = "simulating"
    UNSENT = "intent written, never sent"
    SENDING = "sent, and killed before the node has it"
    SENT = "the node has it, and the answer was not heard"
    LOOKING = "looking for the receipt"
    RECOVERING = "recovering from an earlier kill"
    RANDOM = "at a random time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A moment to be killed at."""

    kind: Kind
    method: str = ""
    at: Moment = ASKED
    nth: int = 1
    """Which request of that method it is: upon one head, or from the start."""
    in_block: int = 1
    """In which block, from when the market moves, at the earliest."""
    delay_s: float | None = None
    """Instead of a request: how long after the market's move, or after the start."""
    from_start: bool = False
    blocks: int = 0
    """How many are mined while it is dead. By the fifth every deadline has passed."""

    def __str__(self) -> str:
        where = f"{self.method} {self.nth} {self.at}" if self.method else f"{self.delay_s:.3f} s"
        return f"{self.kind}: {where}, dead for {self.blocks} blocks"


def loading(method: str, nth: int, at: Moment = ASKED, *, blocks: int = 0) -> Kill:
    return Kill(kind=Kind.LOADING, method=method, nth=nth, at=at, from_start=True, blocks=blocks)


def following(in_block: int, at: Moment = ASKED, *, blocks: int = 0) -> Kill:
    return Kill(kind=Kind.FOLLOWING, method="eth_getLogs", in_block=in_block, at=at, blocks=blocks)


def simulating(nth: int, at: Moment = ASKED, *, blocks: int = 0) -> Kill:
    return Kill(kind=Kind.SIMULATING, method="eth_simulateV1", nth=nth, at=at, blocks=blocks)


def sending(kind: Kind, nth: int, *, blocks: int = 0) -> Kill:
    at = ANSWERED if kind is Kind.SENT else ASKED
    return Kill(kind=kind, method="eth_sendRawTransaction", nth=nth, at=at, blocks=blocks)


def looking(at: Moment = ASKED, *, blocks: int = 0) -> Kill:
    return Kill(kind=Kind.LOOKING, method="eth_getTransactionReceipt", at=at, blocks=blocks)


def recovering(at: Moment = ASKED, *, blocks: int = 0) -> Kill:
    kind = Kind.RECOVERING
    return Kill(kind=kind, method="eth_getTransactionReceipt", at=at, from_start=True, blocks=blocks)


def random_time(seed: int, most_s: float, *, from_start: bool = False, blocks: int = 0) -> Kill:
    delay_s = Random(seed).uniform(0, most_s)
    return Kill(kind=Kind.RANDOM, delay_s=delay_s, from_start=from_start, blocks=blocks)


SERIES: Mapping[str, tuple[Kill, ...]] = {
    "lost": (
        simulating(1),
        sending(Kind.UNSENT, 1),
        recovering(ASKED),
        following(1),
        sending(Kind.UNSENT, 2, blocks=1),
    ),
    "lost for good": (
        loading("eth_call", 1),
        sending(Kind.UNSENT, 1, blocks=5),
        simulating(1, ANSWERED, blocks=2),
        sending(Kind.UNSENT, 2, blocks=5),
        random_time(1, 0.5),
    ),
    "late": (
        loading("eth_getLogs", 1, ANSWERED, blocks=1),
        sending(Kind.SENDING, 1),
        recovering(ANSWERED, blocks=1),
        sending(Kind.SENDING, 2, blocks=1),
        looking(ASKED),
    ),
    "unheard": (
        sending(Kind.SENT, 1),
        loading("eth_getLogs", 1),
        sending(Kind.SENT, 1, blocks=1),
        looking(ANSWERED, blocks=2),
        random_time(2, 1.5, from_start=True, blocks=1),
    ),
    "unheard for long": (
        sending(Kind.SENT, 2, blocks=5),
        following(2, ANSWERED, blocks=1),
        sending(Kind.SENDING, 1, blocks=5),
        simulating(1, ANSWERED),
        looking(ASKED, blocks=5),
    ),
    "again and again": (
        sending(Kind.SENT, 2),
        recovering(ANSWERED),
        random_time(3, 0.5, blocks=1),
        simulating(1, blocks=5),
        following(3, ASKED),
    ),
}
ON_MORPHO = (
    sending(Kind.SENT, 1),
    recovering(ANSWERED),
    sending(Kind.UNSENT, 1, blocks=1),
    sending(Kind.SENDING, 1, blocks=1),
)
STEPS = 20
SEEDS = {name: seed for seed, name in enumerate(SERIES, start=1)}


def test_moments__thirty__so_many_of_each_kind() -> None:
    counts = Counter(kill.kind for kills in SERIES.values() for kill in kills)
    print({kind.value: count for kind, count in counts.items()})
    assert counts == {
        Kind.LOADING: 3,
        Kind.FOLLOWING: 3,
        Kind.SIMULATING: 4,
        Kind.UNSENT: 4,
        Kind.SENDING: 3,
        Kind.SENT: 4,
        Kind.LOOKING: 3,
        Kind.RECOVERING: 3,
        Kind.RANDOM: 3,
    }
    assert counts.total() == 30


@pytest.mark.parametrize("series", SERIES)
def test_run__killed_and_started_again__no_outcome_lost_and_nobody_liquidated_twice(
    series: str, manual_devnet: Devnet, tmp_path: Path
) -> None:
    with daemon_stage(manual_devnet, tmp_path) as stage:
        told = live_and_die(stage, SERIES[series], iter(crash(SEEDS[series], steps=STEPS)))
    print(f"{series}: {dict(told)}")
    assert told["Included"] >= 5


def test_run__killed_over_a_position_on_morpho__no_outcome_lost_and_nobody_liquidated_twice(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    with daemon_stage(manual_devnet, tmp_path, protocols=("morpho", "morpho-pre")) as stage:
        told = live_and_die(stage, ON_MORPHO, iter(crash(1, steps=STEPS)), goes_on_for=8)
        markets = Counter(one.market.partition(":")[0] for one, _ in stage.journal())
    print(f"{dict(markets)}: {dict(told)}")
    assert told["Included"] >= 4
    assert markets["morpho"] >= 4 and markets["morpho-pre"] >= 1


def live_and_die(
    stage: DaemonStage, kills: tuple[Kill, ...], path: Iterator[Step], *, goes_on_for: int = 2
) -> Counter[str]:
    """Kill the keeper at each moment, let it come to rest, and go on for so many steps of the market's.

    Returns how often what came of it.
    """
    for kill in kills:
        strike(stage, kill, path)
        audit(stage)
    stage.start()
    stage.await_decision()
    for _ in stage.rest():
        stage.await_decision()
    recovered = audit(stage)
    for _ in stage.play(islice(path, goes_on_for)):
        stage.await_decision()
    stage.stop()
    outcomes = audit(stage)
    journal = stage.journal()
    told = Counter(type(outcome).__name__ for outcome in outcomes)
    assert None not in recovered and None not in outcomes, "every intent has come to its outcome"
    assert len(outcomes) > len(recovered), "and it goes on"
    assert not told["Reverted"], "the market rests in the keeper's blocks: whoever reverts came second"
    assert all(is_taken_up_again(one, journal) for one, outcome in journal if isinstance(outcome, Expired))
    return told


def is_taken_up_again(lost: Submission, journal: Lines) -> bool:
    """Return whether a later submission liquidated the position of one that never reached a block."""
    later = journal[[one for one, _ in journal].index(lost) + 1 :]
    return any(
        position_of(one) == position_of(lost) and isinstance(outcome, Included) for one, outcome in later
    )


# --- killing ------------------------------------------------------------------------------------------------


def strike(stage: DaemonStage, kill: Kill, path: Iterator[Step]) -> None:
    """Start the keeper, bring it to the moment, kill it there, and let blocks go by without it."""
    before = stage.journal()
    catch = on_its_way(stage, kill) if kill.from_start else at_work(stage, kill, path)
    if kill.delay_s is not None:
        time.sleep(kill.delay_s)
    stage.kill()
    if catch is not None:
        assert catch.sprung(), f"it never came to that: {kill}"
        prove(stage, kill, catch, before)
        if kill.kind is Kind.SENDING:
            deliver(stage, catch)
    print(f"{kill}; {len(stage.open_intents())} intents open")
    for _ in range(kill.blocks):
        stage.devnet.mine()


def on_its_way(stage: DaemonStage, kill: Kill) -> Catch | None:
    """Start the keeper, and stop it at that moment before it follows the chain."""
    catch = arm(stage, kill)
    stage.start()
    if catch is not None:
        stage.await_decision(unless=catch.sprung)
    return catch


def at_work(stage: DaemonStage, kill: Kill, path: Iterator[Step]) -> Catch | None:
    """Start the keeper, let it recover, then let the market move, and stop the keeper at that moment."""
    stage.start()
    stage.await_decision()
    for _ in stage.rest():
        stage.await_decision()
    assert None not in audit(stage), "every intent has come to its outcome"

    blocks = stage.play(path)
    for _ in range(kill.in_block - 1):
        next(blocks)
        stage.await_decision()
    catch = arm(stage, kill)
    if catch is None:
        next(blocks)
        return None
    for _ in blocks:
        catch.count_anew()
        stage.await_decision(unless=catch.sprung)
        if catch.sprung():
            break
    return catch


def arm(stage: DaemonStage, kill: Kill) -> Catch | None:
    return Catch(stage.proxy, kill.method, kill.at, nth=kill.nth) if kill.method else None


def deliver(stage: DaemonStage, catch: Catch) -> None:
    """Let the dead keeper's transaction reach the node."""
    (submission,) = [one for one in stage.open_intents() if hex_data(one.transaction.raw) == catch.asked]
    catch.deliver()
    deadline = time.monotonic() + 60
    while not stage.knows(submission):
        assert time.monotonic() < deadline, "the proxy did not pass it on"
        time.sleep(0.01)


def prove(stage: DaemonStage, kill: Kill, catch: Catch, before: Lines) -> None:
    """Hold the moment to what it says of itself: what was written and sent by then, and what was not."""
    after, head = stage.journal(), stage.devnet.chain.block_number()
    assert [one for one, _ in after[: len(before)]] == [one for one, _ in before]
    still_open = stage.open_intents()
    match kill.kind:
        case Kind.LOADING | Kind.RECOVERING:
            assert after == before
            assert still_open or kill.kind is Kind.LOADING
        case Kind.FOLLOWING | Kind.SIMULATING:
            assert all(one.head_number < head for one, _ in after[len(before) :])
        case Kind.UNSENT | Kind.SENDING | Kind.SENT:
            # what is decided upon one head is sent side by side: others may be anywhere by then
            (caught,) = [one for one in still_open if hex_data(one.transaction.raw) == catch.asked]
            assert stage.knows(caught) is (kill.kind is Kind.SENT)
            assert len(still_open) >= kill.nth
        case Kind.LOOKING:
            assert any(receipt_of(stage, one) for one in still_open)


# --- the journal beside the chain ---------------------------------------------------------------------------


def audit(stage: DaemonStage) -> list[Outcome | None]:
    """Hold the journal to the chain, with the keeper dead or at rest; return the outcomes so far."""
    journal, chain = stage.journal(), landed(stage)
    liquidators = {seized.liquidator for one in chain.values() for seized in one.seizures}
    assert liquidators <= {stage.executor}
    assert_nonces(stage, journal, chain)
    assert_outcomes(stage, journal, chain)
    assert_nobody_planned_for_twice(journal, chain)
    assert_a_plan_for_each(chain)
    return [outcome for _, outcome in journal]


def assert_nonces(stage: DaemonStage, journal: Lines, chain: Mapping[Hash32, Landed]) -> None:
    """Whatever is on the chain was intended; no nonce is skipped, and of none two are said to have landed."""
    intended = {submission.hash: submission for submission, _ in journal}
    assert chain.keys() <= intended.keys()
    assert all(one.nonce == intended[hash_].nonce for hash_, one in chain.items())

    operator = hex_data(stage.devnet.operator.address)
    count, before = stage.devnet.anvil.rpc.batch(
        [("eth_getTransactionCount", (operator, block)) for block in ("latest", hex(stage.first_block - 1))]
    )
    assert sorted(one.nonce for one in chain.values()) == list(range(int(before, 16), int(count, 16)))

    said = Counter(
        submission.nonce for submission, outcome in journal if isinstance(outcome, Included | Reverted)
    )
    assert all(times == 1 for times in said.values()), said


def assert_outcomes(stage: DaemonStage, journal: Lines, chain: Mapping[Hash32, Landed]) -> None:
    """Each outcome is what the chain says; and the vault holds what all of them claim, to the wei."""
    unwritten = False
    for submission, outcome in journal:
        there = chain.get(submission.hash)
        match outcome:
            case Included() | Reverted():
                assert there is not None and there.is_told_by(outcome)
                assert outcome.block_hash == there.receipt.block_hash
            case Expired() | Superseded():
                assert there is None, "it was given up, and landed"
            case None:
                unwritten |= there is not None
    claimed_wei = sum(o.vault_profit_wei for _, o in journal if isinstance(o, Included))
    vault_wei = balance_raw(stage.devnet, stage.devnet.addresses.weth, stage.vault)
    assert claimed_wei == vault_wei or (unwritten and claimed_wei < vault_wei)


def assert_nobody_planned_for_twice(journal: Lines, chain: Mapping[Hash32, Landed]) -> None:
    """By the journal: nothing is planned for while an earlier plan for it may still land beside the new one.

    One with the same nonce can't: at most one of them is ever included. Nor can one past its deadline.
    """
    earlier: dict[PositionId, list[tuple[Submission, int | None]]] = {}
    for submission, outcome in journal:
        for before, ended in earlier.get(position_of(submission), ()):
            decided_at_s = submission.deadline_s - DEADLINE_S - BLOCK_S
            if before.nonce != submission.nonce and before.deadline_s >= decided_at_s:
                assert ended is not None, "planned for, with a transaction on its way"
                assert ended <= submission.head_number, "decided upon a state from before the last one's end"
        earlier.setdefault(position_of(submission), []).append((submission, end(submission, outcome, chain)))
        there = chain.get(submission.hash)
        if there is not None and there.receipt.succeeded:
            assert there.closed == set(submission.positions)


def assert_a_plan_for_each(chain: Mapping[Hash32, Landed]) -> None:
    """By the chain alone: whoever is liquidated again is so by a plan that had seen the last time.

    Where prices fell far that is right: a close that is sized for one pool's depth leaves another's.
    """
    last: dict[tuple[PositionId, bytes], int] = {}
    for one in sorted(chain.values(), key=lambda one: one.nonce):
        decided_at_s = deadline_s(one.data) - DEADLINE_S - BLOCK_S
        for pair in {(seized.position, seized.tokens) for seized in one.seizures}:
            assert decided_at_s >= last.get(pair, 0)
            last[pair] = one.timestamp_s


def end(submission: Submission, outcome: Outcome | None, chain: Mapping[Hash32, Landed]) -> int | None:
    """Return the block with which a submission was over, None where it may not be."""
    if submission.hash in chain:
        return chain[submission.hash].receipt.block_number
    return outcome.head_number if isinstance(outcome, Expired | Superseded) else None


def deadline_s(data: bytes) -> int:
    """Return the deadline of a call of the executor: the first five bytes of its program."""
    (program,) = interface(executor().abi).function("execute").arguments(data)
    return int.from_bytes(program[:5])


def position_of(submission: Submission) -> PositionId:
    return PositionId(submission.market, submission.borrower)


def receipt_of(stage: DaemonStage, submission: Submission) -> Mapping[str, Any] | None:
    receipt: Mapping[str, Any] | None = stage.devnet.anvil.rpc(
        "eth_getTransactionReceipt", hex_data(submission.hash)
    )
    return receipt


def hex_data(raw: bytes) -> str:
    return f"0x{raw.hex()}"
