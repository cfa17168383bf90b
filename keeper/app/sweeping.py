"""`keeper backtest --sweep`: many backtests on Dask, on this machine's cores or on a cluster.

A worker needs the package and its own way to the past: an endpoint in its environment, or the tape. Nothing
secret travels: a job is a combination of variables and a part of the range, laid over the worker's own
configuration. A worker that dies takes its Anvil with it; its job is given to another.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from keeper.app.backtesting import backtest, over, source
from keeper.backtest.inclusion import Model
from keeper.backtest.result import Backtest
from keeper.backtest.score import WON
from keeper.backtest.summary import summary
from keeper.backtest.sweep import Combination, Job, Outcome, Report, jobs, report
from keeper.config import Settings, load
from keeper.domain.errors import ConfigError, KeeperError, Unavailable

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every job of a sweep has in common."""

    model: Model
    over: Mapping[str, str]
    """Variables set for the whole sweep."""
    env_file: Path | None
    tape: Path | None
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a sweep is."""

    done: int
    of: int
    failed: int


def run_job(job: Job, terms: Terms) -> Outcome:
    """Return what one job brought. Runs in a worker, with the worker's own environment."""
    settings, part = _settings(job.combination, terms), job.part
    done = backtest(settings, first=part.first, last=part.last, model=terms.model, tape=terms.tape)
    return _outcome(job, asyncio.run(done))


def _settings(combination: Combination, terms: Terms) -> Settings:
    return load(env_file=terms.env_file, needs=terms.needs, over={**terms.over, **dict(combination)})


def _outcome(job: Job, done: Backtest) -> Outcome:
    """Raises Unavailable where an endpoint left questions open: what came of that is no result."""
    if done.failed_reads:
        raise Unavailable(f"{job}: the endpoint did not answer {done.failed_reads} times")
    figures = summary(done.ledger, done.score)
    return Outcome(
        job=job,
        low_wei=str(figures.low_wei),
        central_wei=str(figures.central_wei),
        high_wei=str(figures.high_wei),
        chain_liquidations=figures.chain_liquidations,
        won=sum(one.kind in WON for one in done.score.verdicts),
        failed=figures.failed,
        unanswered=figures.unanswered,
        blocks=figures.blocks,
    )


def sweep(
    combinations: Sequence[Combination],
    parts: Sequence[Any],
    terms: Terms,
    *,
    scheduler: str | None,
    workers: int | None,
    notes: Path | None,
    record: Path | None = None,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Return what the sweep found. What `notes` has already is not run again; what fails is tried thrice.

    With `record` it is run here, one job after another, and recorded: whoever has that tape can run it again.
    Raises ConfigError where a combination is none, the packages are not installed, or nobody answers.
    """
    # all mistakes of the operator's come before anything starts
    settings = [_settings(combination, terms) for combination in combinations]
    asked = jobs(combinations, parts)
    if record is not None:
        return report(asked, asyncio.run(_recorded(asked, terms, record, tell)))
    book = _Notes(notes, terms, settings)
    done = [outcome for outcome in book.read() if outcome.job in set(asked)]
    waiting = [job for job in asked if job not in {outcome.job for outcome in done}]
    progress = Progress(done=len(done), of=len(asked), failed=0)
    tell(progress)
    if waiting:
        with _client(scheduler, workers or min(os.cpu_count() or 1, len(waiting))) as client:
            for outcome in _run(client, waiting, terms):
                if outcome is None:
                    progress = Progress(done=progress.done, of=progress.of, failed=progress.failed + 1)
                else:
                    book.add(outcome)
                    done.append(outcome)
                    progress = Progress(done=progress.done + 1, of=progress.of, failed=progress.failed)
                tell(progress)
    return report(asked, done)


async def _recorded(
    asked: Sequence[Job], terms: Terms, record: Path, tell: Callable[[Progress], None]
) -> list[Outcome]:
    """Return each job's outcome, all of them on one tape."""
    done: list[Outcome] = []
    failed = 0
    base = _settings((), terms)
    async with source(base, tape=None, record=record) as given:
        for job in asked:
            settings, part = _settings(job.combination, terms), job.part
            for _ in range(_TRIES):
                with suppress(Unavailable):
                    one = await over(settings, given, part.first, part.last, model=terms.model)
                    done.append(_outcome(job, one))
                    break
            else:
                failed += 1
            tell(Progress(done=len(done), of=len(asked), failed=failed))
    return done


def _run(client: Any, waiting: Sequence[Job], terms: Terms) -> Iterator[Outcome | None]:
    """Yield each job's outcome as it comes; None where it failed for the last time."""
    tries = dict.fromkeys(waiting, 1)
    futures = {client.submit(run_job, job, terms, pure=False): job for job in waiting}
    completed = _distributed().as_completed(list(futures), loop=client.loop)
    for future in completed:
        job = futures.pop(future)
        error = future.exception()
        if error is None:
            yield future.result()
        elif isinstance(error, ConfigError):
            raise error
        elif tries[job] < _TRIES:
            tries[job] += 1
            again = client.submit(run_job, job, terms, pure=False)
            futures[again] = job
            completed.add(again)
        else:
            yield None


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator[Any]:
    """Yield a client of the cluster, or of one of this machine's own."""
    distributed = _distributed()
    if scheduler is not None:
        try:
            with distributed.Client(scheduler, timeout="10s", set_as_default=False) as client:
                yield client
        except OSError as error:
            raise ConfigError(f"--scheduler: nobody answers at {scheduler} ({error})") from None
        return
    with local_cluster(workers) as address, distributed.Client(address, set_as_default=False) as client:
        yield client


@contextmanager
def local_cluster(workers: int) -> Iterator[str]:
    """Yield the address of a cluster on this machine: so many processes of one thread.

    Nothing in them takes samples of what they are at, as Dask's workers do a hundred times a second. Raises
    ConfigError where the packages are not installed.
    """
    distributed = _distributed()
    # what the workers are told when they start is what is set here then
    with (
        import_module("dask").config.set({"distributed.worker.profile.enabled": False}),
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="ERROR"
        ) as cluster,
    ):
        yield str(cluster.scheduler_address)


def _distributed() -> Any:
    """Return Dask's package. Raises ConfigError where it is not installed."""
    try:
        return import_module("distributed")
    except ImportError:
        raise ConfigError(
            "--sweep: needs the packages dask and distributed: pip install 'keeper[sweep]'"
        ) from None


class _Notes:
    """What is done already, on disk: a line for each job, so that an interrupted sweep goes on."""

    def __init__(self, path: Path | None, terms: Terms, settings: Sequence[Settings]) -> None:
        self._path = path
        said = repr((_plain(terms.model), str(terms.tape or ""), [_said(one) for one in settings])).encode()
        self._terms = blake2b(said, digest_size=8).hexdigest()

    def read(self) -> list[Outcome]:
        """Return what was done under the same terms; a line that was cut short is none."""
        if self._path is None or not self._path.is_file():
            return []
        found = []
        for line in self._path.read_text("utf-8").splitlines():
            try:
                noted = msgspec.json.decode(line, type=_Note)
            except ValueError:
                continue
            if noted.terms == self._terms:
                found.append(noted.outcome)
        return found

    def add(self, outcome: Outcome) -> None:
        """Note what was done."""
        if self._path is None:
            return
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(msgspec.json.encode(_Note(self._terms, outcome)).decode() + "\n")
        except OSError as error:
            raise KeeperError(f"{self._path}: {error.strerror}") from None


class _Note(msgspec.Struct):
    terms: str
    outcome: Outcome


def _said(settings: Settings) -> list[str]:
    """Return what is configured, secrets masked, in an order that does not change from run to run."""
    told = ((field.name, getattr(settings, field.name)) for field in fields(settings))
    return [
        f"{name}={sorted(value, key=repr) if isinstance(value, frozenset) else value!r}"
        for name, value in told
        if name != "state_dir"
    ]


def _plain(model: Model) -> dict[str, object]:
    return {
        "latency_s": model.latency_s,
        "latency_spread": model.latency_spread,
        "closes_before_s": model.closes_before_s,
        "bid_bps": model.bid_bps,
        "reverts_land": model.reverts_land,
        "builders": sorted(one.hex() for one in model.builders),
        "seed": model.seed,
    }
