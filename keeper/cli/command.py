"""What a command is, and how it is run: with its settings read first, its errors told, no secret in them."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeper.cli import typed
from keeper.cli.printed import complain
from keeper.domain.errors import ConfigError, KeeperError
from keeper.domain.secret import Secret, redact

if TYPE_CHECKING:
    from keeper.config import Settings

DONE, FAILED, MISCONFIGURED, INTERRUPTED = 0, 1, 2, 130

CHAIN = ("KEEPER_RPC_URLS",)
MARKETS = (*CHAIN, "KEEPER_MARKETS")
CONTRACTS = ("KEEPER_EXECUTOR", "KEEPER_VAULT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: how it is called and explained, and what runs. `run` returns the exit code."""

    name: str
    summary: str
    """One line, in the list of all."""
    about: str
    """What ``--help`` says of it."""
    run: Callable[[argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    """Adds its own arguments."""
    reads_settings: bool = True

    def add_to(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Make it known to the parser of the command line."""
        parser = commands.add_parser(
            self.name,
            help=self.summary,
            description=self.about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(command=self.run)
        self.arguments(parser)
        if self.reads_settings:
            parser.add_argument(
                "--env-file", type=Path, metavar="PATH", help="read this file instead of ./.env"
            )


def json_option(parser: argparse.ArgumentParser) -> None:
    """Let a command print its result for machines."""
    parser.add_argument("--json", action="store_true", help="print JSON instead; amounts are decimal strings")


def seed_option(parser: argparse.ArgumentParser) -> None:
    """Let what is drawn at random be drawn otherwise."""
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="draws borrowers and prices (default: 1)"
    )


def configured(
    command: Callable[[argparse.Namespace, Settings], int],
    *,
    needs: Sequence[str],
    needs_to_send: Sequence[str] = (),
    unlocks: bool = False,
) -> Callable[[argparse.Namespace], int]:
    """Return the command with its settings read first, and its errors kept clear of their secrets.

    One that `unlocks` needs the key, where there is one: a keystore's password is asked for if it must be.
    """

    def with_settings(arguments: argparse.Namespace) -> int:
        from keeper.config import load

        settings = load(env_file=arguments.env_file, needs=needs, needs_to_send=needs_to_send)
        if unlocks and settings.needs_password:
            settings = replace(settings, keystore_password=typed.password())
        return guarded(lambda: command(arguments, settings), settings.secrets)

    return with_settings


def guarded(job: Callable[[], int], secrets: Iterable[Secret] = ()) -> int:
    """Return the job's exit code, or that of the error it raises, told on stderr without a secret."""
    secrets = tuple(secrets)
    try:
        return job()
    except ConfigError as error:
        for mistake in error.mistakes:
            complain(redact(mistake, secrets))
        return MISCONFIGURED
    except KeeperError as error:
        complain(redact(str(error) or type(error).__name__, secrets))
        return FAILED
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read stdout has seen enough
        return FAILED
    except Exception:  # noqa: BLE001 - the last one to hear of it: shown whole, but for the secrets
        print(redact(traceback.format_exc(), secrets), file=sys.stderr)
        complain("this is a bug of the keeper: please report it with the lines above")
        return FAILED


def until_stopped(job: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run a job until it ends, or is asked to by Ctrl-C or SIGTERM; the second one ends it at once."""

    async def until_stopped() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask_to_stop(received: signal.Signals) -> None:
            stop.set()
            loop.remove_signal_handler(received)  # the second one ends it at once

        for received in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(received, ask_to_stop, received)
        await job(stop)

    asyncio.run(until_stopped())
    return DONE
