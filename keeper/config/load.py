"""Settings from the environment and an ``.env`` file, with every mistake found at once.

The only place where the keeper reads its environment. What the environment says overrides the file, also
where it says that a variable is empty: so a key in the file can be left out for one run.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from keeper.chains import chain_name
from keeper.config.channel import ChannelName
from keeper.config.market import MarketSetting
from keeper.config.settings import Settings
from keeper.config.variable import PREFIX, variables
from keeper.domain.errors import ConfigError
from keeper.domain.role import Role

DEFAULT_ENV_FILE = Path(".env")

_FOR_TESTS = PREFIX + "TEST_"
"""Variables of the test suite, which may be set where a keeper is started by a test."""


def notify_socket(environ: Mapping[str, str] | None = None) -> str | None:
    """Return where systemd wants to hear from its service, or None: its variable, not the operator's."""
    environ = os.environ if environ is None else environ
    return environ.get("NOTIFY_SOCKET") or None


def load(
    *,
    env_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    needs: Collection[str] = (),
    needs_to_send: Collection[str] = (),
    over: Mapping[str, str] | None = None,
    under: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings.

    `needs` are the variables that the command can't do without; `needs_to_send` those that it can't do
    without either where there is a key and it is no dry run.
    `over` overrides both, variable by variable; `under` holds where neither says anything.
    `env_file` must be there if it is given; else ``.env`` is read where there is one. Raises ConfigError
    with every mistake, each beginning with its variable's name.
    """
    file = _read(env_file)
    texts = {**(under or {}), **_set(file, environ), **(over or {})}
    known = {each.name: (field, each) for field, each in variables(Settings).items()}
    mistakes = [*file.mistakes, *_unknown(texts, known)]
    values: dict[str, Any] = {}
    wrong: set[str] = set()
    for name, (field, each) in known.items():
        text = texts.get(name, "").strip()
        if not text:
            continue
        try:
            values[field] = each.parse(text)
        except ValueError as error:
            mistakes.append(f"{name}: {error}")
            wrong.add(name)
    settings = Settings(**values)
    needed = {*needs, *(needs_to_send if settings.sends else ())}
    mistakes += [
        f"{name}: is needed here; expected {each.unit}"
        for name, (field, each) in known.items()
        if name in needed and name not in wrong and field not in values
    ]
    mistakes += [
        contradiction.says for contradiction in _contradictions(settings) if not wrong & contradiction.between
    ]
    if mistakes:
        raise ConfigError(*mistakes)
    return settings


def deciding(*, env_file: Path | None = None, environ: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return the texts of those variables that decisions depend on, where they are set. None is secret."""
    texts = _set(_read(env_file), environ)
    decide = (each.name for each in variables(Settings).values() if each.decides)
    return {name: texts[name] for name in decide if texts.get(name, "").strip()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    texts: Mapping[str, str]
    mistakes: tuple[str, ...]


def _read(env_file: Path | None) -> _File:
    """Return what the file says, taken literally: ``$`` in a password is a ``$``."""
    path = env_file or DEFAULT_ENV_FILE
    if env_file is None and not path.is_file():
        return _File(texts={}, mistakes=())
    try:
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        return _File(texts={}, mistakes=(f"{path}: can't be read as an .env file: {type(error).__name__}",))
    mistakes = [
        f"{path}: line {binding.original.line} can't be read; expected NAME=value"
        for binding in bindings
        if binding.error
    ]
    texts: dict[str, str] = {}
    for binding in bindings:
        if binding.error or binding.key is None or not binding.key.startswith(PREFIX):
            continue
        if binding.key in texts:
            mistakes.append(f"{binding.key}: stands twice in {path}")
        texts[binding.key] = binding.value or ""
    return _File(texts=texts, mistakes=tuple(mistakes))


def _set(file: _File, environ: Mapping[str, str] | None) -> dict[str, str]:
    environ = os.environ if environ is None else environ
    return {**file.texts, **{name: text for name, text in environ.items() if name.startswith(PREFIX)}}


def _unknown(texts: Collection[str], known: Collection[str]) -> Iterator[str]:
    bare = [name.removeprefix(PREFIX) for name in known]  # the common prefix would make all look alike
    for name in sorted(texts):
        if name not in known and not name.startswith(_FOR_TESTS):
            near = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1)
            guess = f"; did you mean {PREFIX}{near[0]}?" if near else ""
            yield f"{name}: is no variable of the keeper{guess}"


def _repeated(markets: Sequence[MarketSetting]) -> MarketSetting | None:
    """Return a market that stands there by its name and by its address."""
    pairs = combinations(markets, 2)
    return next((b for a, b in pairs if (a.protocol, a.address) == (b.protocol, b.address)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contradiction:
    says: str
    between: frozenset[str]
    """The variables that disagree. Where one of them is a mistake in itself, this one is not mentioned."""


def _contradictions(settings: Settings) -> Iterator[_Contradiction]:
    """Yield what is wrong with variables that are each right on their own."""

    def wrong(first: str, says: str, *others: str) -> _Contradiction:
        return _Contradiction(says=f"{first}: {says}", between=frozenset((first, *others)))

    keys = {
        "KEEPER_PRIVATE_KEY": settings.private_key,
        "KEEPER_KEYSTORE": settings.keystore,
        "KEEPER_REMOTE_SIGNER": settings.remote_signer,
    }
    given = [name for name, key in keys.items() if key is not None]
    if len(given) > 1:
        first, *others = reversed(given)
        yield wrong(first, f"and {others[0]} are both set; expected one", *others)
    if (settings.remote_signer is None) != (settings.operator is None):
        yield wrong("KEEPER_OPERATOR", "and KEEPER_REMOTE_SIGNER belong together", "KEEPER_REMOTE_SIGNER")
    passwords = (settings.keystore_password, settings.keystore_password_file)
    names = ("KEEPER_KEYSTORE_PASSWORD", "KEEPER_KEYSTORE_PASSWORD_FILE")
    if None not in passwords:
        yield wrong(names[1], f"and {names[0]} are both set; expected one", names[0])
    if settings.executor is not None and settings.executor == settings.vault:
        yield wrong(
            "KEEPER_VAULT", "is the same as KEEPER_EXECUTOR; expected two contracts", "KEEPER_EXECUTOR"
        )
    if settings.tokens.carried and settings.vault is None:
        yield wrong(
            "KEEPER_TOKENS",
            "lets tokens be carried, and there is no vault to pay for them: set KEEPER_VAULT",
            "KEEPER_VAULT",
        )
    if settings.priority_fee_wei > settings.max_fee_per_gas_wei:
        yield wrong(
            "KEEPER_PRIORITY_FEE_WEI",
            "is more than KEEPER_MAX_FEE_PER_GAS_WEI; expected at most as much",
            "KEEPER_MAX_FEE_PER_GAS_WEI",
        )
    if len(settings.channels) > 1 and not settings.is_private:
        yield wrong(
            "KEEPER_CHANNELS", "names public besides others; expected either: what is private stays private"
        )
    if settings.is_private and not any(Role.TRUSTED in one.roles for one in settings.rpc_urls):
        yield wrong(
            "KEEPER_CHANNELS",
            "keeps plans private, and they are simulated before they are sent: mark an endpoint of "
            "KEEPER_RPC_URLS #trusted that keeps to itself what it is asked, best your own node",
            "KEEPER_RPC_URLS",
        )
    if ChannelName.BACKRUN in settings.channels:
        if settings.mev_share_url is None:
            yield wrong(
                "KEEPER_CHANNELS",
                "names backrun, and nothing tells of what that could come behind: set KEEPER_MEV_SHARE_URL, "
                "on Ethereum to https://mev-share.flashbots.net",
                "KEEPER_MEV_SHARE_URL",
            )
        if settings.channels == (ChannelName.BACKRUN,):
            yield wrong(
                "KEEPER_CHANNELS",
                "names backrun alone, which takes nothing but what is behind a report: name bundle or "
                "private besides it",
            )
        if not any(one.builder.takes_backruns for one in settings.builders):
            yield wrong(
                "KEEPER_BUILDERS",
                "names none that takes backruns: add flashbots, or mark a URL #backruns",
                "KEEPER_CHANNELS",
            )
    if settings.pending and not any(one.is_socket for one in settings.rpc_urls):
        yield wrong(
            "KEEPER_PENDING",
            "is true, and pending transactions are heard of over a WebSocket: add a ws or wss URL to "
            "KEEPER_RPC_URLS",
            "KEEPER_RPC_URLS",
        )
    if settings.relay_key is not None and settings.relay_key == settings.private_key:
        yield wrong("KEEPER_RELAY_KEY", "is the operator's key; expected another", "KEEPER_PRIVATE_KEY")
    if settings.tip_bps and not settings.max_tip_wei:
        yield wrong("KEEPER_MAX_TIP_WEI", "is 0; expected more where KEEPER_TIP_BPS is set", "KEEPER_TIP_BPS")
    unused = [one.channel.value for one in settings.bid_bps if one.channel not in settings.channels]
    if unused:
        yield wrong("KEEPER_BID_BPS", f"names {unused[0]}, which KEEPER_CHANNELS does not", "KEEPER_CHANNELS")
    if settings.tip_bps and settings.bid_bps:
        yield wrong("KEEPER_TIP_BPS", "is set, and bids are learned; expected either", "KEEPER_BID_BPS")
    chains = list(dict.fromkeys(market.known.chain_id for market in settings.markets if market.known))
    if len(chains) > 1:
        named = " and ".join(map(chain_name, chains))
        yield wrong("KEEPER_MARKETS", f"names markets of {named}; expected those of one chain")
    elif repeated := _repeated(settings.markets):
        yield wrong("KEEPER_MARKETS", f"names {repeated} twice")
    if settings.chain_id is not None:
        for mistake in settings.chain_mistakes(settings.chain_id):
            yield wrong("KEEPER_MARKETS", mistake.removeprefix("KEEPER_MARKETS: "), "KEEPER_CHAIN_ID")
