"""What is typed: arguments made values, and answers to questions. What can't be meant raises ConfigError."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from keeper.domain.errors import ConfigError
from keeper.domain.secret import Secret

if TYPE_CHECKING:
    from fractions import Fraction

    from keeper.config import Settings
    from keeper.domain.address import Address


def address(name: str, text: str) -> Address:
    """Return an address; `name` is what the argument is called."""
    from keeper.config.parse import address

    try:
        return address(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


def nonce(text: str) -> int:
    """Return a nonce."""
    from keeper.config.parse import whole

    try:
        return whole()(text)
    except ValueError as error:
        raise ConfigError(f"NONCE: {error}") from None


def health_factor(text: str) -> int:
    """Return a health factor as a wad."""
    from keeper.config.parse import scaled
    from keeper.domain.fixed_point import WAD

    try:
        return scaled(WAD)(text)
    except ValueError as error:
        raise ConfigError(f"--below: {error}") from None


def price(text: str) -> tuple[str, Fraction, bool]:
    """Return a token's name, and what is supposed of its price: dollars, or a factor if the last is True."""
    from fractions import Fraction

    found = re.fullmatch(r"([^=]+)=(?:([+-][0-9]+(?:\.[0-9]+)?)%|([0-9]+(?:\.[0-9]+)?))", text)
    if found is None:
        raise ConfigError(f"--price: expected TOKEN=-8% or TOKEN=1800, got {text!r}")
    name, change, dollars = found.groups()
    is_factor = change is not None
    supposed = 1 + Fraction(change) / 100 if is_factor else Fraction(dollars)
    if supposed <= 0:
        raise ConfigError(f"--price: {name} can't fall to nothing or below, got {text!r}")
    return name, supposed, is_factor


def amount(name: str, text: str) -> Fraction:
    """Return a decimal number, exactly; `name` is what the argument is called."""
    from fractions import Fraction

    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise ConfigError(f"{name}: expected a decimal number, got {text!r}")
    return Fraction(text)


def span_s(text: str) -> int:
    """Return a span of time in seconds."""
    units_s = {"d": 86_400, "h": 3_600, "m": 60}
    if text[:-1].isdecimal() and text[-1:] in units_s and len(text) <= 9:
        return int(text[:-1]) * units_s[text[-1]]
    raise ConfigError(
        f"--since: expected a number of days, hours or minutes, such as 7d or 24h, got {text!r}"
    )


def must_send(settings: Settings, command: str) -> None:
    """Refuse settings that a command which sends can't do with, every mistake at once."""
    mistakes = []
    if settings.dry_run:
        mistakes.append(f"KEEPER_DRY_RUN: is true; expected false, as `keeper {command}` sends")
    if not settings.has_key:
        mistakes.append("KEEPER_PRIVATE_KEY: is needed here, or KEEPER_KEYSTORE, or KEEPER_REMOTE_SIGNER")
    if mistakes:
        raise ConfigError(*mistakes)


def password() -> Secret:
    """Return what is typed at the terminal, unseen."""
    from getpass import getpass

    if not sys.stdin.isatty():
        raise ConfigError(
            "KEEPER_KEYSTORE: needs KEEPER_KEYSTORE_PASSWORD or KEEPER_KEYSTORE_PASSWORD_FILE where nobody "
            "can be asked"
        )
    return Secret(getpass("Password of the keystore: "))


def answered_yes(question: str) -> bool:
    """Ask at the terminal; only a yes is one."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        raise ConfigError("--yes: is needed where nobody can be asked") from None
