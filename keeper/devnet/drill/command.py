"""What ``scripts/drill`` does: plays a drill, tells what struck, and what the audit found."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from keeper.devnet.build import SEED
from keeper.devnet.compile import CompileError
from keeper.devnet.drill.audit import Audit
from keeper.devnet.drill.faults import KINDS
from keeper.devnet.drill.play import ACT_BLOCKS, DrillReport, Fell, Over, Told, drill
from keeper.domain.errors import ConfigError, Unavailable
from keeper.node.anvil import AnvilError

_ABOUT = """\
Drills a keeper: the daemon itself works on a market that crashes, on a local chain with the real contracts,
through real proxies and a real relay, while one fault strikes in every two blocks on average, at random. At
the end everything must have come to its outcome, and the ledger must equal the chain, to the wei.
Exit code: 0 where it does, else 1.
"""


def run(argv: Sequence[str], *, say: Callable[[str], None]) -> int:
    """Drill as the arguments say, and return the exit code. Raises ConfigError, Unavailable, Ended."""
    arguments = _parser().parse_args(argv)
    if arguments.blocks < 2:
        raise ConfigError(f"--blocks: {arguments.blocks} is too few for one fault: expected 2 or more")
    acts = -(-arguments.blocks // ACT_BLOCKS)
    if arguments.act is not None and not 1 <= arguments.act <= acts:
        raise ConfigError(f"--act: {arguments.act} is none of the {acts} acts of {arguments.blocks} blocks")
    if arguments.keep is not None and arguments.keep.exists():
        raise ConfigError(f"--keep: {arguments.keep} is there already: name a new folder")
    try:
        report = drill(
            seed=arguments.seed,
            blocks=arguments.blocks,
            tell=_tell,
            only=None if arguments.act is None else arguments.act - 1,
            keep=arguments.keep,
        )
    except (AnvilError, CompileError) as error:
        raise Unavailable(str(error)) from error
    if arguments.json:
        say(json.dumps(report.numbers()))
    else:
        for line in _told(report):
            say(line)
    return 0 if report.audit.is_sound else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/drill", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--seed", type=int, default=SEED, metavar="N", help="draws the market and the faults (default: 1)")
    add("--blocks", type=int, default=100, metavar="N", help="how many, at least (default: 100)")
    add("--act", type=int, metavar="K", help=f"play only this one, of {ACT_BLOCKS} blocks: 1 is the first")
    add("--keep", type=Path, metavar="DIR", help="leave each act's journal and log there")
    add("--json", action="store_true", help="end with one JSON line")
    return parser


def _tell(told: Told) -> None:
    match told:
        case Fell():
            _tell_fell(told)
        case Over(act=act, audit=found):
            sound = "nothing went wrong" if found.is_sound else _wrong(found)
            lines = (f"act {act + 1} ended: {sound}", *(f"  {one}" for one in found.findings))
            sys.stderr.write("\n".join(lines) + "\n")


def _tell_fell(fell: Fell) -> None:
    after = {0: "in spite of it", 1: "with the next block", 2: "with the second block"}
    went_on = after.get(fell.went_on_after, "not within two blocks")
    when = f"act {fell.act + 1}, block {fell.block}, upon head {fell.head}"
    sys.stderr.write(f"{when}: {fell.kind}; the keeper went on {went_on}\n")


def _wrong(found: Audit) -> str:
    return (
        f"{found.double} done twice, {found.stuck} stuck, {found.lost} lost; the ledger is "
        f"{found.ledger_difference_wei} wei from the chain"
    )


def _told(report: DrillReport) -> Sequence[str]:
    found = report.audit
    width = max(map(len, KINDS))
    return (
        *(f"  {kind:<{width}} {report.faults[kind]:>4}" for kind in KINDS if report.faults[kind]),
        f"{report.faults.total()} faults in {report.blocks} blocks and {report.seconds:.0f} s, seed "
        f"{report.seed}",
        f"{found.sent} transactions sent, {found.included} included and succeeded",
        _wrong(found),
        "Every promise holds." if found.is_sound else "A promise is broken.",
    )
