"""The backtest on a history: each event in one class, profits as predicted, a tape that gives it again."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_socket

from keeper.app import backtesting
from keeper.backtest import past
from keeper.backtest.archive import Archive
from keeper.backtest.files import files
from keeper.backtest.footing import Footing
from keeper.backtest.inclusion import Model
from keeper.backtest.landing import Flight, counts_on
from keeper.backtest.past import Own
from keeper.backtest.result import Backtest
from keeper.backtest.score import WON, Class
from keeper.backtest.summary import earned, summary
from keeper.backtest.tape_world import Tape
from keeper.config import Settings, load
from keeper.config.endpoint import EndpointSetting
from keeper.devnet.faults import Say
from keeper.devnet.history import History, Plan, make
from keeper.devnet.history.prices import from_seed
from keeper.devnet.proxy_thread import ProxyThread
from keeper.domain.secret import Secret
from keeper.domain.state import Mined as MinedAt
from keeper.domain.submission import Included, Reverted
from keeper.query import Simulate, Simulated, SimulatedCall

BLOCKS, BORROWERS, SEED = 100, 48, 1
"""In fewer blocks a crash's steps are steeper: plans made before one revert at their floors behind it."""
SLOT_GAS = 17_100
"""Between writing a slot that held nothing and one that another had written to just before."""
FAST, SLOW = Model(latency_s=0.5), Model(latency_s=30.0, latency_spread=0.2)


@dataclass(frozen=True)
class Looked:
    """A history, and what a backtest made of it, recorded."""

    history: History
    settings: Settings
    done: Backtest
    tape: Path


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    folder = tmp_path_factory.mktemp("backtest")
    plan = Plan(blocks=BLOCKS, borrowers=BORROWERS, seed=SEED, prices=from_seed(SEED, steps=BLOCKS // 5))
    with make(plan) as history:
        empty = folder / "empty.env"
        empty.touch()
        settings = load(env_file=empty, environ=history.variables())
        tape = folder / "a.tape"
        done = asyncio.run(
            backtesting.backtest(
                settings,
                first=history.first_block - 1,
                last=history.last_block,
                model=FAST,
                record=tape,
            )
        )
        yield Looked(history, settings, done, tape)


def over(looked: Looked, model: Model, *, last: int | None = None, tape: Path | None = None) -> Backtest:
    return asyncio.run(
        backtesting.backtest(
            looked.settings if tape is None else replace(looked.settings, rpc_urls=()),
            first=looked.history.first_block - 1,
            last=looked.history.last_block if last is None else last,
            model=model,
            tape=tape,
        )
    )


def test_backtest__every_liquidation_on_chain__is_in_exactly_one_class(looked: Looked) -> None:
    figures = summary(looked.done.ledger, looked.done.score)
    classes = (
        *(figures.caught, figures.same_block, figures.late, figures.outbid),
        *(figures.declined, figures.not_seen, figures.unknown),
    )
    on_chain = looked.history.counts["liquidations"]
    print(figures)
    assert sum(classes) == figures.chain_liquidations == on_chain
    assert on_chain >= 15
    assert figures.blocks == BLOCKS + 1
    assert figures.unanswered == 0 and not looked.done.ledger.unread


def test_backtest__faster_than_both_rivals__wins_four_fifths(looked: Looked) -> None:
    assert summary(looked.done.ledger, looked.done.score).won_share >= 0.8


def test_backtest__slower_than_both_rivals__loses_most_and_says_by_how_much(looked: Looked) -> None:
    slow = over(looked, SLOW)
    fast, figures = (summary(one.ledger, one.score) for one in (looked.done, slow))
    late = [one for one in slow.score.verdicts if one.kind is Class.LATE]
    assert figures.won_share < fast.won_share / 2
    assert figures.chain_liquidations == fast.chain_liquidations
    assert late and all(one.late_by >= 0 for one in late) and any(one.late_by >= 1 for one in late)
    # a race lost costs its gas, and little of it; a few run to their end before their floor undoes them
    lost = [one.outcome for one in slow.score.failed]
    assert lost and all(isinstance(one, Reverted) for one in lost)
    dear = [one for one in lost if isinstance(one, Reverted) and one.gas_used >= 120_000]
    assert len(dear) <= len(lost) // 10
    assert figures.high_wei < fast.high_wei


def test_backtest__what_was_won_as_planned__brings_what_was_predicted_within_a_basis_point(
    looked: Looked,
) -> None:
    """Executed in its block, all before it replayed. Gas moves with what the others wrote just before.

    Where one stood upon something else than its plan counted on, that is told.
    """
    won, stood = looked.done.score.won, looked.done.score.footings
    print(Counter(stood[one.submission.hash] for one in won))
    as_planned = [one for one in won if stood[one.submission.hash] is Footing.AS_PLANNED]
    assert len(as_planned) >= 15 and len(as_planned) * 4 >= len(won) * 3
    for flight in as_planned:
        assert isinstance(flight.outcome, Included)
        predicted_wei = flight.plan.waterfall.vault_wei
        assert abs(flight.outcome.vault_profit_wei - predicted_wei) * 10_000 <= predicted_wei
        most = max(flight.plan.gas_used // 50, SLOT_GAS)
        assert abs(flight.outcome.gas_used - flight.plan.gas_used) <= most
    predicted_wei = sum(one.plan.waterfall.net_wei for one in as_planned)
    assert abs(sum(one.realised_wei for one in as_planned) - predicted_wei) * 10_000 <= predicted_wei


def test_backtest__hurried_ahead_of_what_it_counts_on__would_have_come_behind_its_rival(
    looked: Looked,
) -> None:
    flights = looked.done.ledger.flights
    for one in looked.done.score.won:
        before = _counted_on(one, flights)
        late = [other for other in before if not _ran_before(other, one)]
        if late and all(isinstance(other.outcome, Included) for other in before):
            behind = max(other.place.index for other in late if other.place)
            assert _rival_index(looked.done, one) < behind


def _counted_on(flight: Flight, flights: Sequence[Flight]) -> list[Flight]:
    """Return those planned before it upon the same head that use the same pools."""
    return [one for one in flights[: flights.index(flight)] if counts_on(flight, one)]


def _ran_before(one: Flight, flight: Flight) -> bool:
    assert one.block and flight.block
    return (one.block.number, one.run) < (flight.block.number, flight.run)


def _rival_index(done: Backtest, flight: Flight) -> int:
    """Return where in the block of a transaction its rival for the same position stands."""
    assert flight.block
    hashes = [mined.hash for mined in done.ledger.mined[flight.block.number]]
    return min(
        hashes.index(one.transaction)
        for one in done.ledger.observed
        if one.position == flight.position and one.block_number == flight.block.number
    )


def test_backtest__odds__are_those_of_the_races_that_the_journal_tells_of(looked: Looked) -> None:
    """So the next one is decided upon as by a keeper that had run those before."""
    lines = [json.loads(line) for line in looked.done.journal]
    concluded = [line["outcome"] for line in lines if line["kind"] == "concluded"]
    odds, flights = looked.done.odds, looked.done.ledger.flights
    assert odds.reverts_land and {one.submission.channels for one in flights} == {odds.channels}
    assert len(odds.races) == len(concluded) >= 20
    assert sum(won for _, won in odds.races) == sum(isinstance(one.outcome, Included) for one in flights)


def test_simulate__at_the_old_block_and_on_a_fork_of_it__says_the_same_to_the_byte(looked: Looked) -> None:
    """And so does the transaction itself, mined on that fork where it was simulated to be."""
    tried, ended = looked.done.score.won[::5], Counter[bool]()

    async def ask() -> None:
        async with backtesting.source(
            looked.settings, tape=None, record=None, first=None, last=None
        ) as given:
            archive = given.past
            assert isinstance(archive, Archive)
            for flight in tried:
                transaction, at = flight.plan.draft.transaction, MinedAt(hash=flight.head.hash)
                sender, block = flight.submission.operator, flight.head.next_block(block_time_s=12)
                asked = Simulate((SimulatedCall(sender, transaction.to, transaction.data),), block)
                (quick,) = await given.world.answer((asked,), at)
                (forked,) = await backtesting.on_fork(archive, given.chain.chain_id, (asked,), at)
                assert quick == forked
                said = quick[0] if isinstance(quick, tuple) else None
                assert isinstance(said, Simulated)
                own = Own(0, sender, transaction.to, transaction.data, flight.plan.fees.gas_limit, 0)
                executed = await past.execute(
                    given.past,
                    past.Execute(block.number, flight.head.hash, laid=(), preamble=(), own=(own,)),
                )
                (ran,) = executed.ran
                assert (ran.succeeded, ran.gas_used) == (not said.reverted, said.gas_used)
                assert ran.succeeded or ran.returned == said.returned
                ended[said.reverted] += 1

    asyncio.run(ask())
    assert ended[False] >= 3, ended  # some counted on what the keeper had done before them


def test_backtest__the_endpoint_does_not_simulate__is_the_same_by_forks(looked: Looked) -> None:
    """As far as the first plan: a fork at each decision takes its time."""
    last = looked.done.score.won[0].head.number + 1
    lacks = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"the method does not exist"}}'
    with ProxyThread(looked.history.devnet.anvil.url) as proxy:
        proxy.add("eth_simulateV1", Say(200, lacks))
        elsewhere = replace(looked.settings, rpc_urls=(EndpointSetting(url=Secret(proxy.url)),))
        by_forks = over(replace(looked, settings=elsewhere), FAST, last=last)
    assert files(by_forks) == files(over(looked, FAST, last=last))
    assert by_forks.ledger.flights and not by_forks.ledger.unread


def test_backtest__what_was_caught__stays_closed(looked: Looked) -> None:
    """No position is earned twice, unless it was below health 1 again after the first time."""
    by_position: dict[object, list[int]] = {}
    for flight in looked.done.ledger.flights:
        if isinstance(flight.outcome, Included):
            by_position.setdefault(flight.position, []).append(flight.outcome.block_number)
            seen = [one.head_number for one in looked.done.ledger.sightings[flight.position]]
            earlier = by_position[flight.position][:-1]
            before = [at for at in seen if at < by_position[flight.position][-1]]
            assert all(any(at >= closed for at in before) for closed in earlier)
    assert len(by_position) >= 10


def test_backtest__headline__is_ordered_and_leaves_out_what_was_extra(looked: Looked) -> None:
    score = looked.done.score
    headline = score.headline
    assert headline.low_wei <= headline.central_wei <= headline.high_wei
    paid = sum(one.realised_wei - one.bid_wei for one in score.won) + sum(
        one.realised_wei for one in score.failed
    )
    assert headline.central_wei <= paid <= headline.high_wei
    assert sum(one.wei for one in earned(score, FAST)) == headline.central_wei
    assert not {one.submission.hash for one in score.extra} & {one.submission.hash for one in score.won}
    assert all(one.flight in score.won for one in score.verdicts if one.kind in WON)


def test_replay__sockets_blocked__is_the_same_to_the_byte(looked: Looked) -> None:
    pytest_socket.disable_socket(allow_unix_socket=True)
    try:
        again = over(looked, FAST, tape=looked.tape)
    finally:
        pytest_socket.enable_socket()
    first, second = files(looked.done), files(again)
    assert first.keys() == second.keys()
    for name in first:
        assert first[name] == second[name], name
    assert len(first["journal.jsonl"]) > 10_000


def test_replay__only_a_quarter_of_it__is_a_quarter_of_the_same(looked: Looked) -> None:
    quarter = looked.history.first_block + BLOCKS // 4
    again, real = over(looked, FAST, last=quarter, tape=looked.tape), over(looked, FAST, last=quarter)
    assert files(again) == files(real)
    assert again.journal == looked.done.journal[: len(again.journal)]


def test_replay__other_suppositions__asks_what_the_tape_lacks_and_says_so(looked: Looked) -> None:
    other = over(looked, SLOW, tape=looked.tape)
    figures = summary(other.ledger, other.score)
    assert figures.unanswered > 0
    assert other.ledger.unanswered


def test_tape__of_a_backtest__holds_the_decisions_beside_the_answers(looked: Looked) -> None:
    tape = Tape.load(looked.tape)
    assert [one.head.number for one in tape.heads] == list(
        range(looked.history.first_block - 1, looked.history.last_block + 1)
    )
    planned = [number for number, told in tape.decisions if told.startswith('{"planned"')]
    assert len(planned) >= len(looked.done.score.won)


def test_report__in_a_real_browser__opens_offline_without_an_error(looked: Looked, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)
    if browser is None:
        pytest.skip("neither chromium-headless-shell nor chromium is on the PATH")
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    text = files(looked.done)["report.html"]
    page.write_text(text, "utf-8")
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?https?:", text)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1240,2600", f"--screenshot={shot}"]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    assert shot.stat().st_size > 50_000  # of one colour it would be a tenth of that


@dataclass(frozen=True)
class Cluster:
    """A Dask scheduler and two workers: processes of their own, which know nothing but their environment."""

    scheduler: str
    workers: tuple[subprocess.Popen[bytes], ...]
    environment: dict[str, str]


@contextmanager
def cluster(variables: Mapping[str, str], tmp_path: Path) -> Iterator[Cluster]:
    environment = {**os.environ, **variables, "PYTHONWARNINGS": "default"}
    address = tmp_path / "scheduler.json"
    told = ["--scheduler-file", str(address)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    with ExitStack() as stack:

        def start(*command: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen([sys.executable, "-m", *command], **quiet)  # type: ignore[call-overload]
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process  # type: ignore[no-any-return]

        start("distributed.cli.dask_scheduler", *told, "--port", "0", "--no-dashboard")
        how = ("--nthreads", "1", "--no-dashboard", "--no-nanny")
        workers = tuple(start("distributed.cli.dask_worker", *told, *how) for _ in range(2))
        deadline = time.monotonic() + 60
        while not address.is_file() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield Cluster(json.loads(address.read_text())["address"], workers, environment)


def swept(on: Cluster, tmp_path: Path, *arguments: object) -> subprocess.Popen[str]:
    empty = tmp_path / "empty.env"
    empty.touch()
    command = [sys.executable, "-m", "keeper", "backtest", "--env-file", str(empty), "--json"]
    command += ["--scheduler", on.scheduler, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=on.environment, stdout=pipe, stderr=pipe, text=True)


def anvils_of(worker: subprocess.Popen[bytes]) -> set[int]:
    """Return the Anvils that a process has started."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if name == "anvil" and int(rest.split()[1]) == worker.pid:
                found.add(int(stat.parent.name))
    return found


def gone(pid: int, *, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_sweep__on_a_cluster_of_two_workers__is_the_same_as_alone(looked: Looked, tmp_path: Path) -> None:
    first = looked.history.first_block - 1
    sweep = ("--sweep", "KEEPER_OBJECTIVE=max_profit,max_close")
    with cluster(looked.history.variables(), tmp_path) as on:
        running = swept(on, tmp_path, "--from", first, "--to", first + 16, "--parts", 2, *sweep)
        stdout, stderr = running.communicate()
    assert running.returncode == 0, stderr
    told = json.loads(stdout.splitlines()[-1])
    rows = told["combinations"]
    assert [row["KEEPER_OBJECTIVE"] for row in rows] == ["max_profit", "max_close"]
    assert all(row["whole"] for row in rows) and not told["missing"]
    half = over(looked, FAST, last=first + 8)
    assert rows[0]["chosen_on_wei"] == str(half.score.headline.central_wei)


def test_sweep__a_worker_is_killed__its_anvil_ends_and_nothing_is_lost(
    looked: Looked, tmp_path: Path
) -> None:
    """What is done already is not run again by another sweep of the same."""
    first, out = looked.history.first_block - 1, tmp_path / "out"
    last = first + BLOCKS // 2
    sweep = (
        "--from",
        first,
        "--to",
        last,
        "--parts",
        2,
        "--out",
        out,
        "--sweep",
        "KEEPER_MIN_PROFIT_WEI=1e15",
    )
    with cluster(looked.history.variables(), tmp_path) as on:
        running = swept(on, tmp_path, *sweep)
        started: set[int] = set()
        while not started and running.poll() is None:
            time.sleep(0.02)
            started = anvils_of(on.workers[0])
        assert started, running.communicate()
        on.workers[0].kill()
        on.workers[0].wait()
        assert all(gone(pid) for pid in started)
        stdout, stderr = running.communicate()
        assert running.returncode == 0, stderr
        told = json.loads(stdout.splitlines()[-1])
        assert told["combinations"][0]["whole"] and not told["missing"]
        left = anvils_of(on.workers[1])
        noted = (out / "sweep.jsonl").read_text()
        again = swept(on, tmp_path, *sweep)
        assert json.loads(again.communicate()[0].splitlines()[-1]) == told
        assert (out / "sweep.jsonl").read_text() == noted
    assert all(gone(pid) for pid in left)


def test_sweep__no_endpoint_answers__every_range_is_named_after_three_tries(
    looked: Looked, tmp_path: Path
) -> None:
    nobody = looked.history.variables() | {"KEEPER_RPC_URLS": "http://127.0.0.1:9"}
    first = looked.history.first_block - 1
    with cluster(nobody, tmp_path) as on:
        running = swept(
            on,
            tmp_path,
            "--from",
            first,
            "--to",
            first + 8,
            "--parts",
            2,
            "--sweep",
            "KEEPER_MIN_PROFIT_WEI=1e15",
        )
        stdout, _ = running.communicate()
    assert running.returncode == 1
    told = json.loads(stdout.splitlines()[-1])
    assert told["chosen"] is None and len(told["missing"]) == 2
    assert f"over blocks {first} to {first + 4}" in told["missing"][0]
