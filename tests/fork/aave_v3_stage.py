"""A stage on a devnet: any position, price, time or configuration, posed by overriding storage in a request.

No block is mined and nothing is written, so a position costs two requests, and the time is exact. Where a
value is stored is not known here but found out: an access list of the getter that reads it names the slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from keeper.abi import Function, interface, load
from keeper.devnet.addresses import Addresses
from keeper.devnet.devnet import Devnet
from keeper.domain.address import Address, Hash32
from keeper.domain.fixed_point import RAY
from keeper.domain.state import Mined, StateRef
from keeper.query import Answer, Ask, Call, Reverted

_POOL = load("aave_v3_pool")
_SCALED = load("aave_v3_scaled_token")
_ERC20 = load("erc20")
_IMPLEMENTATION = 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC
"""The slot in which proxies keep their implementation: never the one that is looked for."""
_SCALED_TOTAL, _FALLBACK = interface(
    [
        {"type": "function", "name": name, "inputs": [], "outputs": []}
        for name in ("scaledTotalSupply", "getFallbackOracle")
    ]
).functions

BORROWER = Address(b"\xbb" * 20)
LIQUIDATOR = Address(b"\x11" * 20)
_FALLBACK_ORACLE = Address(b"\xfb" * 20)
RICH = 2**120
"""What the liquidator has of every token, and has approved."""
AT = Mined(hash=Hash32(bytes(32)))
"""A stage has one state; which one is asked about does not matter."""


class Place(NamedTuple):
    """A word of a contract's storage."""

    contract: Address
    slot: int


class Ran(NamedTuple):
    """What became of one call."""

    reverted: bool
    returned: bytes
    logs: tuple[tuple[tuple[bytes, ...], bytes], ...]
    """Topics and data of each."""


class Stage:
    """A devnet, and where it stores things."""

    def __init__(self, devnet: Devnet, addresses: Addresses | None = None) -> None:
        self.devnet = devnet
        self.addresses = addresses or devnet.addresses
        self._places: dict[tuple[Address, bytes], Place] = {}
        self._words: dict[Place, int] = {}

    @cached_property
    def now_s(self) -> int:
        return self.devnet.now_s

    def place(self, contract: Address, function: Function, *arguments: object) -> Place:
        """Return the one word that a getter reads."""
        data = function.encode(*arguments)
        if (contract, data) not in self._places:
            request = {"to": _hex(contract), "data": _hex(data), "from": _hex(LIQUIDATOR)}
            listed = self.devnet.anvil.rpc("eth_createAccessList", request, "latest")["accessList"]
            (found,) = [
                Place(Address(bytes.fromhex(entry["address"][2:])), int(slot, 16))
                for entry in listed
                for slot in entry["storageKeys"]
                if int(slot, 16) != _IMPLEMENTATION
            ]
            self._places[contract, data] = found
        return self._places[contract, data]

    def word(self, place: Place) -> int:
        """Return a word of the devnet's storage, as it is without overrides."""
        if place not in self._words:
            contract, slot = _hex(place.contract), f"0x{place.slot:064x}"
            answer = self.devnet.anvil.rpc("eth_getStorageAt", contract, slot, "latest")
            self._words[place] = int(answer, 16)
        return self._words[place]

    def scene(self, *, at_s: int) -> Scene:
        """Return a scene in which the liquidator and the aTokens have plenty of every token."""
        scene = Scene(stage=self, at_s=at_s)
        pool = self.addresses.pool
        for symbol, token in self.addresses.tokens.items():
            for holder in (LIQUIDATOR, BORROWER, self.addresses.a_tokens[symbol]):
                scene.set(self.place(token, _ERC20.function("balanceOf"), holder), RICH)
            for holder in (LIQUIDATOR, BORROWER):
                scene.set(self.place(token, _ERC20.function("allowance"), holder, pool), RICH)
        return scene


@dataclass
class Scene:
    """One state of the stage at one time: a World, and what can be changed in it."""

    stage: Stage
    at_s: int
    rounds: int = 0
    _words: dict[Place, int] = field(default_factory=dict)
    _codes: dict[Address, bytes] = field(default_factory=dict)

    # --- changing it

    def set(self, place: Place, word: int, *, bits: int = 256, at_bit: int = 0) -> None:
        """Put `word` into `bits` of a word of storage, from `at_bit` on."""
        mask = (1 << bits) - 1 << at_bit
        before = self._words.get(place, 0 if bits == 256 else self.stage.word(place))
        self._words[place] = before & ~mask | word << at_bit

    def answer_always(self, contract: Address, word: int | None) -> None:
        """Have a contract answer every call with this word; None: revert."""
        self.answers(contract, {} if word is None else {b"": word.to_bytes(32)})

    def answers(self, contract: Address, by_selector: Mapping[bytes, bytes]) -> None:
        """Have a contract answer to these selectors, to all others as to ``b""``, or revert."""
        self._codes[contract] = answering(by_selector)

    def has_code(self, contract: Address, code: bytes) -> None:
        """Put a contract's code at an address."""
        self._codes[contract] = code

    def price(self, symbol: str, price_base: int) -> None:
        """Have a feed report a price. The oracle reverts for a price of zero, for it has no fallback."""
        self.answer_always(self.stage.addresses.feeds[symbol], price_base)

    def fallback_oracle(self, price_base: int) -> None:
        """Give the oracle a fallback that reports this for every token."""
        self.set(self.stage.place(self.stage.addresses.oracle, _FALLBACK), int.from_bytes(_FALLBACK_ORACLE))
        self.answer_always(_FALLBACK_ORACLE, price_base)

    def configure(self, symbol: str, value: int, *, bits: int, at_bit: int) -> None:
        """Set bits of a reserve's configuration."""
        self.set(self._of_reserve("getConfiguration", symbol), value, bits=bits, at_bit=at_bit)

    def cash(self, symbol: str, raw: int) -> None:
        """Set a reserve's virtual balance."""
        self.set(self._of_reserve("getVirtualUnderlyingBalance", symbol), raw, bits=128, at_bit=128)

    def grace(self, symbol: str, until_s: int) -> None:
        """Set until when a reserve is not liquidated."""
        self.set(self._of_reserve("getLiquidationGracePeriod", symbol), until_s, bits=40, at_bit=184)

    def pose(
        self,
        *,
        has: Mapping[str, int],
        owes: Mapping[str, int],
        ids: Mapping[str, int],
        e_mode: int,
        unused: Sequence[str] = (),
    ) -> None:
        """Give the borrower these scaled balances; what is `unused` is no collateral though they have it."""
        addresses = self.stage.addresses
        bitmap = sum(2 << 2 * ids[symbol] for symbol in has if symbol not in unused)
        bitmap |= sum(1 << 2 * ids[symbol] for symbol in owes)
        self.set(self._of_borrower("getUserConfiguration"), bitmap)
        self.set(self._of_borrower("getUserEMode"), e_mode)
        for tokens, balances in ((addresses.a_tokens, has), (addresses.debt_tokens, owes)):
            for symbol, scaled in balances.items():
                place = self.stage.place(tokens[symbol], _SCALED.function("scaledBalanceOf"), BORROWER)
                self.set(place, scaled | RAY << 128)
                total = self.stage.place(tokens[symbol], _SCALED_TOTAL)
                self.set(total, self.stage.word(total) + scaled)

    def _of_reserve(self, getter: str, symbol: str) -> Place:
        addresses = self.stage.addresses
        return self.stage.place(addresses.pool, _POOL.function(getter), addresses.tokens[symbol])

    def _of_borrower(self, getter: str) -> Place:
        return self.stage.place(self.stage.addresses.pool, _POOL.function(getter), BORROWER)

    # --- asking it

    def run(self, calls: Sequence[tuple[Address, Address, bytes]]) -> list[Ran]:
        """Return what becomes of these calls (sender, target, data), one after the other in one block."""
        block = {
            "blockOverrides": {"time": hex(self.at_s)},
            "stateOverrides": self._overrides(),
            "calls": [{"from": _hex(a), "to": _hex(b), "data": _hex(data)} for a, b, data in calls],
        }
        request = {"blockStateCalls": [block], "validation": False}
        (answer,) = self.stage.devnet.anvil.rpc("eth_simulateV1", request, "latest")
        assert int(answer["timestamp"], 16) == self.at_s
        return [_ran(call) for call in answer["calls"]]

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        """Answer a query's calls, in one request."""
        self.rounds += 1
        calls = [ask for ask in asks if isinstance(ask, Call)]
        assert len(calls) == len(asks)
        ran = self.run([(LIQUIDATOR, ask.to, ask.data) for ask in calls])
        return tuple(Reverted(one.returned) if one.reverted else one.returned for one in ran)

    def _overrides(self) -> dict[str, dict[str, Any]]:
        overrides: dict[str, dict[str, Any]] = {}
        for place, word in self._words.items():
            of = overrides.setdefault(_hex(place.contract), {"stateDiff": {}})
            of["stateDiff"][f"0x{place.slot:064x}"] = f"0x{word:064x}"
        for contract, code in self._codes.items():
            overrides.setdefault(_hex(contract), {})["code"] = _hex(code)
        return overrides


def answering(by_selector: Mapping[bytes, bytes]) -> bytes:
    """Return code that compares the selector, jumps, and returns bytes that stand behind the code."""
    default = by_selector.get(b"")
    cases = [(selector, answer) for selector, answer in by_selector.items() if selector]
    asked = bytes.fromhex("5f3560e01c")  # the selector
    compares_end = len(asked) + 11 * len(cases) + (3 if default is None else 13)
    behind = compares_end + 14 * len(cases)
    compares, returns, answers = b"", b"", b""
    for number, (selector, answer) in enumerate(cases):
        target = compares_end + 14 * number
        compares += b"\x80\x63" + selector + b"\x14\x61" + target.to_bytes(2) + b"\x57"
        returns += b"\x5b" + _returning(behind + len(answers), len(answer))
        answers += answer
    ends = b"\x5f\x5f\xfd" if default is None else _returning(behind + len(answers), len(default))
    return asked + compares + ends + returns + answers + (default or b"")


def _returning(offset: int, size: int) -> bytes:
    """Return 13 bytes of code that return `size` bytes of the code, from `offset` on."""
    copy = b"\x61" + size.to_bytes(2) + b"\x61" + offset.to_bytes(2) + b"\x5f\x39"
    return copy + b"\x61" + size.to_bytes(2) + b"\x5f\xf3"


def _ran(call: dict[str, Any]) -> Ran:
    return Ran(
        reverted=call["status"] == "0x0",
        returned=bytes.fromhex(call["returnData"][2:]),
        logs=tuple(
            (tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]), bytes.fromhex(log["data"][2:]))
            for log in call["logs"]
        ),
    )


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
