"""Which formula a contract's answer follows: asked by getters, part by part, a few rounds in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.abi import load
from keeper.domain.address import ZERO_ADDRESS, Address, address_of
from keeper.oracles.formulas import Derived, One, Reported
from keeper.oracles.kinds import KINDS, Kind, Rate
from keeper.ports import Feed, Formula
from keeper.query import Call, Query, attempt, both

_SOURCE = load("price_source")
_DESCRIPTION = _SOURCE.function("description")
_FEED_GETTERS = ("aggregator", "phaseId", "latestAnswer", "decimals")
_GETTERS = tuple(dict.fromkeys((*_FEED_GETTERS, *(name for kind in KINDS for name in kind.getters))))
_DATA = {name: _SOURCE.function(name).encode() for name in _GETTERS}
_WORD = 32
_MOST_DECIMALS = 77
_DEEPEST = 6
"""Adapters upon adapters."""
_LONGEST_NAME = 48
_WHOLE = 10**18


@dataclass(frozen=True, slots=True)
class _Told:
    """What a contract answered to the getters that it has, as numbers, and what it calls itself."""

    words: Mapping[str, int]
    description: str

    def has(self, names: Sequence[str]) -> bool:
        return all(name in self.words for name in names)

    def named(self, name: str) -> Address:
        return address_of(self.words[name].to_bytes(_WORD))


def recognise(sources: Sequence[Address]) -> Query[Mapping[Address, Formula | str]]:
    """Return each source's formula, or why there is none, in as many rounds as adapters are stacked."""
    told: dict[Address, _Told] = {}
    asked = list(dict.fromkeys(one for one in sources if one != ZERO_ADDRESS))
    for _ in range(_DEEPEST):
        told |= yield from _ask(asked)
        asked = sorted({part for one in asked for part in _parts(told[one])} - told.keys())
        if not asked:
            break
    return {source: _formula(source, told, ()) for source in sources}


def _ask(contracts: Sequence[Address]) -> Query[dict[Address, _Told]]:
    calls = [Call(one, _DATA[name]) for one in contracts for name in _GETTERS]
    answers, names = yield from both(
        attempt(calls, _word),
        attempt([Call(one, _DESCRIPTION.encode()) for one in contracts], _text),
    )
    told = iter(answers)
    words = [dict(zip(_GETTERS, (next(told) for _ in _GETTERS), strict=True)) for _ in contracts]
    return {
        one: _Told(
            {name: word for name, word in said.items() if isinstance(word, int)},
            name if isinstance(name, str) else "",
        )
        for one, said, name in zip(contracts, words, names, strict=True)
    }


def _kind(told: _Told) -> Kind | None:
    return next((kind for kind in KINDS if told.has(kind.getters)), None)


def _parts(told: _Told) -> set[Address]:
    kind = _kind(told)
    return set() if kind is None else {told.named(name) for name in kind.parts} - {ZERO_ADDRESS}


def _formula(source: Address, told: Mapping[Address, _Told], above: tuple[Address, ...]) -> Formula | str:
    """Return the formula of a source, which those `above` are made of; or why there is none."""
    if source == ZERO_ADDRESS:
        return "no source is named"
    if source in above or source not in told:
        return "its adapters name each other, or are too many"
    said = told[source]
    kind = _kind(said)
    if kind is not None:
        return _derived(source, kind, told, (*above, source))
    if not said.has(_FEED_GETTERS) or said.named("aggregator") == ZERO_ADDRESS:
        return f"{_named(source, said)} is of no kind that is known"
    if said.words["decimals"] > _MOST_DECIMALS:
        return f"{_named(source, said)} has too many decimals"
    return Reported(
        feed=Feed(
            address=source,
            reporter=said.named("aggregator"),
            call=Call(source, _DATA["latestAnswer"]),
            name=said.description or f"0x{source.hex()}",
            decimals=said.words["decimals"],
        )
    )


def _derived(
    source: Address, kind: Kind, told: Mapping[Address, _Told], above: tuple[Address, ...]
) -> Formula | str:
    said = told[source]
    constants = tuple(said.words[name] for name in kind.constants)
    powers = [said.words[name] for name in kind.constants if name.endswith("DECIMALS")]
    if any(power > _MOST_DECIMALS for power in powers):
        return f"{_named(source, said)} has too many decimals"
    parts: list[Formula] = []
    for name in kind.parts:
        part = said.named(name)
        found = One() if kind.optional and part == ZERO_ADDRESS else _formula(part, told, above)
        if isinstance(found, str):
            return found
        parts.append(found)
    rates = [_rate(said, one) for one in kind.rates]
    own = (*(Call(source, _DATA[name]) for name in kind.own), *rates)
    return Derived(address=source, parts=tuple(parts), constants=constants, own=own, rule=kind.rule)


def _rate(said: _Told, rate: Rate) -> Call | None:
    contract = said.named(rate.contract)
    sample = _WHOLE if rate.sample is None else said.words[rate.sample]
    return (
        None if contract == ZERO_ADDRESS else Call(contract, _SOURCE.function(rate.function).encode(sample))
    )


def _named(source: Address, said: _Told) -> str:
    name = f"0x{source.hex()}"
    return f"{name} ({said.description})" if said.description else name


def _word(answer: bytes) -> int | None:
    return int.from_bytes(answer[:_WORD]) if len(answer) >= _WORD else None


def _text(answer: bytes) -> str | None:
    try:
        (text,) = _DESCRIPTION.decode(answer)
    except ValueError:
        return None
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST_NAME] or None
