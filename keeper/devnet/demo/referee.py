"""The referee: what anybody could have earned with the simplest liquidation there is.

It shares no code with the planner, and reckons nothing: every close is carried out, by ``eth_simulateV1`` in
the block that the keeper's transaction is meant for, through a contract that lies there for the length of the
call (``contracts/devnet/Referee.sol``). Routes are every single pool between two tokens, or, where there is
none, every way through one token in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from keeper.abi import interface, load
from keeper.devnet.addresses import PoolKey
from keeper.devnet.compile import CHECKOUT, compile_sources
from keeper.devnet.devnet import Devnet
from keeper.domain.address import Address

HALF_BPS = 5_000
FULL_BPS = 10_000

_SOURCE = "contracts/devnet/Referee.sol"
_SEAT = Address(b"\x5e" * 20)
"""Where the contract lies, and who calls it."""
_HEALTHY_WAD = 10**18
_BETWEEN = ("WETH", "USDC")
_INTRINSIC_GAS = 21_000
_CALLDATA_GAS = 4_000
"""About what a transaction pays for carrying such a call."""
_BATCH = 64
"""Each request carries the contract's code; Anvil takes 2 MB at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The block that a transaction sent now will be in."""

    number: int
    timestamp_s: int
    base_fee_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A borrower's position: its values in US dollars with eight decimals, its tokens by symbol."""

    borrower: Address
    collateral_base: int
    debt_base: int
    health_factor_wad: int
    collaterals: tuple[str, ...]
    debts: tuple[str, ...]

    @property
    def unhealthy(self) -> bool:
        """Return whether it may be liquidated."""
        return self.health_factor_wad < _HEALTHY_WAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A transaction that runs before, in the same block."""

    sender: Address
    to: Address
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One close that went through: what it left, before its gas."""

    borrower: Address
    collateral: str
    debt: str
    profit_wei: int
    gas_used: int

    def net_wei(self, gas_price_wei: int) -> int:
        """Return what is left after gas."""
        return self.profit_wei - self.gas_used * gas_price_wei


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A close along one way, as it is asked."""

    borrower: Address
    collateral: str
    debt: str
    data: bytes


class Referee:
    """Tries closes on a devnet's head. Changes nothing there."""

    def __init__(self, devnet: Devnet) -> None:
        self._devnet = devnet
        there = devnet.addresses
        self._market = (there.pool, there.router, there.weth)
        compiled = compile_sources({_SOURCE: (CHECKOUT / _SOURCE).read_text()})["Referee"]
        self._code = f"0x{compiled.deployed_bytecode}"
        self._contract = interface(compiled.abi)
        # the pool's own list is in the order of its configuration's bits
        listed = load("aave_v3_pool").function("getReservesList")
        symbols = {token: symbol for symbol, token in there.tokens.items()}
        (tokens,) = listed.decode(devnet.chain.call(there.pool, listed.encode()))
        self._reserves = [symbols[token] for token in tokens]

    # --- who is unhealthy

    def positions(self, block: Block) -> tuple[Position, ...]:
        """Return every borrower's position in that block, by the pool's own account."""
        there, positions = self._devnet.addresses, self._contract.function("positions")
        data = positions.encode(there.pool, there.borrowers)
        (answer,) = self._simulate([self._request(block, [], data)])
        assert answer is not None, "the pool tells everybody's health"
        (told,) = positions.decode(answer)
        return tuple(
            Position(
                borrower=borrower,
                collateral_base=collateral_base,
                debt_base=debt_base,
                health_factor_wad=health_factor_wad,
                collaterals=tuple(self._used(configuration >> 1)),
                debts=tuple(self._used(configuration)),
            )
            for borrower, (collateral_base, debt_base, health_factor_wad, configuration) in zip(
                there.borrowers, told, strict=True
            )
        )

    def _used(self, configuration: int) -> Iterator[str]:
        """Yield the reserves whose bit is set: two bits each, borrowed below collateral."""
        return (symbol for place, symbol in enumerate(self._reserves) if configuration >> 2 * place & 1)

    # --- what a close would leave

    def full_closes(
        self, positions: Iterable[Position], block: Block, *, after: Sequence[Pending] = ()
    ) -> Mapping[Address, tuple[Attempt, ...]]:
        """Return every full close that goes through, by borrower: each pair, along each way."""
        trials = [
            trial
            for one in positions
            for collateral, debt in product(one.collaterals, one.debts)
            for trial in self._trials(one.borrower, collateral, debt, FULL_BPS)
        ]
        closes: dict[Address, tuple[Attempt, ...]] = {}
        for attempt in self._try(trials, block, after):
            closes[attempt.borrower] = (*closes.get(attempt.borrower, ()), attempt)
        return closes

    def close(
        self,
        borrower: Address,
        collateral: str,
        debt: str,
        *,
        share_bps: int,
        block: Block,
        after: Sequence[Pending],
        gas_price_wei: int,
    ) -> Attempt | None:
        """Return a close of that share along its best way, or None where the chain refuses it."""
        trials = list(self._trials(borrower, collateral, debt, share_bps))
        attempts = self._try(trials, block, after)
        return max(attempts, key=lambda attempt: attempt.net_wei(gas_price_wei), default=None)

    def _trials(self, borrower: Address, collateral: str, debt: str, share_bps: int) -> Iterator[_Trial]:
        tokens = self._devnet.addresses.tokens
        for buy, sell in product(self._ways(debt, collateral), self._ways(collateral, "WETH")):
            close = (tokens[collateral], tokens[debt], borrower, share_bps, buy, sell)
            yield _Trial(
                borrower=borrower,
                collateral=collateral,
                debt=debt,
                data=self._contract.function("close").encode(self._market, close),
            )

    def _ways(self, first: str, last: str) -> list[bytes]:
        """Return the ways between two tokens as paths of the router; one empty one where they are the same.

        A path that is bought along is read from what is bought back to what it is paid with.
        """
        if first == last:
            return [b""]
        direct = [self._path(first, key.fee_pips, last) for key in self._pools(first, last)]
        return direct or [
            self._path(first, one.fee_pips, between, other.fee_pips, last)
            for between in _BETWEEN
            if between not in (first, last)
            for one, other in product(self._pools(first, between), self._pools(between, last))
        ]

    def _pools(self, one: str, other: str) -> list[PoolKey]:
        return [key for key in self._devnet.addresses.pools if {key.base, key.quote} == {one, other}]

    def _path(self, *steps: str | int) -> bytes:
        tokens = self._devnet.addresses.tokens
        return b"".join(step.to_bytes(3) if isinstance(step, int) else tokens[step] for step in steps)

    def _try(self, trials: Sequence[_Trial], block: Block, after: Sequence[Pending]) -> list[Attempt]:
        answers = self._simulate([self._request(block, after, trial.data) for trial in trials])
        attempts = []
        for trial, answer in zip(trials, answers, strict=True):
            if answer is not None:
                profit_wei, gas_used = self._contract.function("close").decode(answer)
                attempts.append(
                    Attempt(
                        borrower=trial.borrower,
                        collateral=trial.collateral,
                        debt=trial.debt,
                        profit_wei=profit_wei,
                        gas_used=gas_used + _INTRINSIC_GAS + _CALLDATA_GAS,
                    )
                )
        return attempts

    # --- asking

    def _request(self, block: Block, after: Sequence[Pending], data: bytes) -> dict[str, Any]:
        calls = [{"from": _hex(one.sender), "to": _hex(one.to), "input": _hex(one.data)} for one in after]
        calls.append({"from": _hex(_SEAT), "to": _hex(_SEAT), "input": _hex(data)})
        return {
            "blockStateCalls": [
                {
                    "blockOverrides": {"number": hex(block.number), "time": hex(block.timestamp_s)},
                    "stateOverrides": {_hex(_SEAT): {"code": self._code}},
                    "calls": calls,
                }
            ]
        }

    def _simulate(self, requests: Sequence[dict[str, Any]]) -> list[bytes | None]:
        """Return what each request's last call answers, None where it reverts."""
        replies = []
        for start in range(0, len(requests), _BATCH):
            page = requests[start : start + _BATCH]
            replies += self._devnet.anvil.rpc.batch(
                [("eth_simulateV1", [request, "latest"]) for request in page]
            )
        last = [reply[0]["calls"][-1] for reply in replies]
        return [
            bytes.fromhex(call["returnData"][2:]) if int(call["status"], 16) == 1 else None for call in last
        ]


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
