"""From a variable's text to its value. Each function raises ValueError with what it expected instead.

No message quotes what might be a secret: neither a long run of hex digits, wherever it was pasted, nor a
URL beyond its host.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from keeper.builders import BUILDERS, Builder
from keeper.chains import PROTOCOLS
from keeper.config.channel import BidSetting, BuilderSetting, ChannelName, Skill
from keeper.config.endpoint import EndpointSetting
from keeper.config.market import MarketSetting
from keeper.domain.address import Address, Hash32, parse_address
from keeper.domain.role import Role
from keeper.domain.secret import Secret
from keeper.domain.token_rules import TokenClass, TokenRules
from keeper.markets import directory
from keeper.places import LENDERS, VENUES, Place
from keeper.submitter.bidding import Bounds

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

_KEY_LIKE = re.compile(r"[0-9a-fA-F]{64}")
_SCHEMES = ("http", "https", "ws", "wss")
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
_LONGEST_QUOTE = 60


def listed(one: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Return a parser of comma-separated values, none of them empty and none twice."""

    def parse(text: str) -> tuple[T, ...]:
        values: list[T] = []
        for item in text.split(","):
            if not item.strip():
                raise ValueError("expected values separated by single commas, found an empty one")
            value = one(item.strip())
            if value in values:
                raise ValueError(f"names {_quoted(item.strip())} twice")
            values.append(value)
        return tuple(values)

    return parse


def whole(*, least: int = 0, most: int | None = None) -> Callable[[str], int]:
    """Return a parser of whole numbers between `least` and `most`, both allowed; ``1e15`` is one."""
    bounds = f"of at least {least:,}" if most is None else f"between {least:,} and {most:,}"

    def parse(text: str) -> int:
        found = re.fullmatch(r"([0-9]+(?:_[0-9]+)*)(?:e([0-9]{1,2}))?", text)
        if found is None:
            raise ValueError(f"expected a whole number {bounds}, got {_quoted(text)}")
        value = int(found[1]) * int(10 ** int(found[2] or 0))
        if value < least or (most is not None and value > most):
            raise ValueError(f"expected a whole number {bounds}, got {_quoted(text)}")
        return value

    return parse


def scaled(scale: int, *, least: str = "0") -> Callable[[str], int]:
    """Return a parser of decimals, times `scale`: exact, so digits that the scale can't hold are refused."""
    digits = len(str(scale)) - 1
    expected = f"expected a decimal number of at least {least}, with at most {digits} decimals"

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            raise ValueError(f"{expected}, got {_quoted(text)}")
        integer, _, fraction = text.partition(".")
        if len(fraction.rstrip("0")) > digits:
            raise ValueError(f"{expected}, got {_quoted(text)}")
        value = int(integer) * scale + int(fraction.rstrip("0").ljust(digits, "0") or 0)
        if Decimal(text) < Decimal(least):
            raise ValueError(f"{expected}, got {_quoted(text)}")
        return value

    return parse


def seconds(text: str) -> float:
    """Return a span of time in seconds, more than none. It paces the keeper and decides nothing."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0:
        raise ValueError(f"expected a number of seconds, more than 0, got {_quoted(text)}")
    return float(value)


def boolean(text: str) -> bool:
    """Return whether `text` says yes."""
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(f"expected true or false, got {_quoted(text)}")


def choice(options: type[Choice]) -> Callable[[str], Choice]:
    """Return a parser of the values of an enumeration."""
    names = [option.value for option in options]

    def parse(text: str) -> Choice:
        if text.lower() not in names:
            raise ValueError(f"expected {_either(names)}, got {_quoted(text)}{_nearest(text.lower(), names)}")
        return options(text.lower())

    return parse


def address(text: str) -> Address:
    """Return an address."""
    if _may_be_secret(text):
        raise ValueError("expected an address: 0x and 40 hex digits, got something else that may be secret")
    return parse_address(text)


def token_rules(text: str) -> TokenRules:
    """Return what may be done with which token: ``0x…:carry``, and ``*:never`` of all that are not named."""
    named: dict[Address | str, TokenClass] = {}
    for item in listed(str)(text):
        token, mark, kind = item.partition(":")
        if not mark or kind not in (*TokenClass,):
            raise ValueError(
                f"expected address:atomic, address:carry, address:never or *:never, got {_quoted(item)}"
            )
        if (token, kind) == ("*", "carry"):
            raise ValueError("expected each token that is carried by its own address, got '*:carry'")
        key = token if token == "*" else address(token)
        if key in named:
            raise ValueError(f"names {_quoted(token)} twice")
        named[key] = TokenClass(kind)
    others = named.pop("*", TokenClass.ATOMIC)
    return TokenRules(
        named=frozenset((one, kind) for one, kind in named.items() if isinstance(one, bytes)), others=others
    )


def endpoint(text: str) -> EndpointSetting:
    """Return a JSON-RPC endpoint with its marks, such as ``https://host/key#private+trusted``."""
    address, mark, marks = text.partition("#")
    url = _url(address)
    try:
        roles = (
            frozenset(Role(one.strip().lower()) for one in marks.split("+")) if mark else frozenset[Role]()
        )
    except ValueError:  # what stands there may be a part of the URL, and secret
        raise ValueError(
            f"expected {_either([role.value for role in Role])} after the #, joined by +"
        ) from None
    setting = EndpointSetting(url=url, roles=roles)
    if setting.is_socket and roles:
        raise ValueError("expected no mark on a WebSocket: nothing is sent to one")
    return setting


def bid(text: str) -> BidSetting:
    """Return a channel's bounds of what is bid, such as ``bundle:500-9000``."""
    name, _, shares = text.partition(":")
    channel = choice(ChannelName)(name.strip())
    found = re.fullmatch(r"([0-9]{1,4})-([0-9]{1,4})", shares.strip())
    if found is None or not int(found[1]) <= int(found[2]):
        raise ValueError(f"expected channel:least-most in bps, as in bundle:500-9000, got {_quoted(text)}")
    return BidSetting(channel=channel, bounds=Bounds(least_bps=int(found[1]), most_bps=int(found[2])))


def builder(text: str) -> BuilderSetting:
    """Return a builder by its name, or by its URL with marks or without: ``https://host#single+cancels``."""
    if "://" not in text:
        names = [one.name for one in BUILDERS]
        known = next((one for one in BUILDERS if one.name == text.lower()), None)
        if known is None:
            raise ValueError(
                f"expected {_either(names)} or a URL, got {_quoted(text)}{_nearest(text, names)}"
            )
        return BuilderSetting(builder=known, url=Secret(known.url, shown=known.url))
    address, mark, marks = text.partition("#")
    url = _url(address)
    try:
        skills = {Skill(one.strip().lower()) for one in marks.split("+")} if mark else set[Skill]()
    except ValueError:
        raise ValueError(
            f"expected {_either([one.value for one in Skill])} after the #, joined by +"
        ) from None
    if not address.startswith("http"):
        raise ValueError("expected a builder's URL that begins with http:// or https://")
    given = Builder(
        name=_host(urlsplit(address)),
        takes_private_transactions=Skill.SINGLE in skills,
        cancels=Skill.CANCELS in skills,
        takes_backruns=Skill.BACKRUNS in skills,
    )
    return BuilderSetting(builder=given, url=url)


def web_url(text: str) -> Secret:
    """Return a URL of the web, of which only scheme and host are ever shown."""
    url = _url(text)
    if urlsplit(text).scheme not in ("http", "https"):
        raise ValueError("expected a URL that begins with http:// or https://")
    return url


def _url(text: str) -> Secret:
    """Return a URL, of which only scheme and host are ever shown."""
    parts = urlsplit(text)
    if parts.scheme not in _SCHEMES or not _host(parts):
        raise ValueError(f"expected a URL that begins with {_either([f'{s}://' for s in _SCHEMES])}")
    secret_parts = [parts.username or "", parts.password or ""]
    secret_parts += [piece for piece in parts.path.split("/") if len(piece) >= 16]
    secret_parts += [piece for piece in re.split(r"[&=]", parts.query) if len(piece) >= 16]
    return Secret(text, shown=_masked(parts), parts=secret_parts)


def market(text: str) -> MarketSetting:
    """Return a market from ``protocol:name`` or ``protocol:0x…``, each with ``@block`` or without."""
    protocol, colon, rest = text.partition(":")
    if not colon:
        raise ValueError(f"expected a market such as aave-v3:ethereum-core, got {_quoted(text)}")
    if protocol not in PROTOCOLS:
        raise ValueError(
            f"expected a protocol out of {', '.join(PROTOCOLS)}, got {_quoted(protocol)}"
            f"{_nearest(protocol, PROTOCOLS)}"
        )
    where, at, block = rest.partition("@")
    try:
        from_block = whole()(block) if at else None
    except ValueError:
        raise ValueError(f"expected the number of a block after @, got {_quoted(block)}") from None
    if where.startswith("0x") or _may_be_secret(where):
        return MarketSetting(protocol=protocol, address=address(where), from_block=from_block)
    known = directory().named(protocol, where.lower())
    if known is None:
        raise ValueError(
            f"expected an address or a name that `keeper markets` lists, got {_quoted(where)}"
            f"{_nearest(where.lower(), directory().names(protocol))}"
        )
    return MarketSetting(protocol=protocol, address=known.address, from_block=from_block, known=known)


def venue(text: str) -> Place:
    """Return a venue from ``kind`` and the addresses that tell it, colons between."""
    return _place(text, VENUES)


def lender(text: str) -> Place:
    """Return a flash lender from ``kind`` and the address that tells it, a colon between."""
    return _place(text, LENDERS)


def _place(text: str, kinds: Mapping[str, tuple[str, ...]]) -> Place:
    kind, *addresses = text.split(":")
    if kind not in kinds:
        raise ValueError(
            f"expected one of {', '.join(kinds)}, got {_quoted(kind)}{_nearest(kind, list(kinds))}"
        )
    if len(addresses) != len(kinds[kind]):
        form = ":".join((kind, *(f"<{contract}>" for contract in kinds[kind])))
        raise ValueError(f"expected {form}, got {len(addresses)} addresses")
    return Place(kind=kind, addresses=tuple(map(address, addresses)))


def market_id(text: str) -> Hash32:
    """Return the id of an isolated market. It looks like a key, so it is not quoted."""
    if not re.fullmatch(rf"0x{_KEY_LIKE.pattern}", text):
        raise ValueError("expected a market's id: 0x and 64 hex digits (what was given is not shown)")
    return Hash32(bytes.fromhex(text.removeprefix("0x")))


def private_key(text: str) -> Secret:
    """Return a private key, 0x and 64 hex digits."""
    body = text.removeprefix("0x")
    if not re.fullmatch(_KEY_LIKE, body) or not 0 < int(body, 16) < _CURVE_ORDER:
        raise ValueError("expected a private key: 0x and 64 hex digits (what was given is not shown)")
    return Secret("0x" + body.lower(), parts=[body])


def password(text: str) -> Secret:
    """Return a password."""
    return Secret(text)


def file(text: str) -> Path:
    """Return the path of a file that is there."""
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError(f"expected a file, found none at {_quoted(text)}")
    return path


def path(text: str) -> Path:
    """Return a path, ``~`` expanded. Whether anything is there does not matter yet."""
    return Path(text).expanduser()


def _host(parts: SplitResult) -> str:
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # a port that is no number
        return ""
    host = parts.hostname or ""
    return f"[{host}]{port}" if ":" in host else f"{host}{port}" if host else ""


def _masked(parts: SplitResult) -> str:
    hidden = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{_host(parts)}{hidden}"


def _may_be_secret(text: str) -> bool:
    return _KEY_LIKE.search(text) is not None or "://" in text


def _quoted(text: str) -> str:
    if _may_be_secret(text):
        return "something that may be secret (not shown)"
    return repr(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…")


def _either(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _nearest(text: str, names: list[str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(text, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""
