"""The referee: what anybody could have earned with the simplest liquidation there is.

It shares no code with the planner, and reckons nothing: every close is carried out, by ``eth_simulateV1`` in
the block that the keeper's transaction is meant for, through a contract that lies there for the length of the
call (``contracts/devnet/Referee.sol``). Routes are every single pool between two tokens, of Uniswap V3's and
V2's, or, where there is none, every way through one token in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

from keeper.abi import interface, load
from keeper.devnet.addresses import Addresses
from keeper.devnet.compile import CHECKOUT, compile_sources
from keeper.devnet.devnet import Devnet
from keeper.devnet.tokens import TOKENS
from keeper.domain.address import ZERO_ADDRESS, Address, Hash32
from keeper.domain.position import PositionId

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
    """A position: its values in US dollars with eight decimals, its tokens by symbol."""

    id: PositionId
    collateral_base: int
    debt_base: int
    unhealthy: bool
    """Whether it may be liquidated: Aave tells a health; of Morpho a unit is liquidated, and undone."""
    collaterals: tuple[str, ...]
    debts: tuple[str, ...]
    is_offer: bool = False
    """Whether it is what a pre-liquidation contract offers of a position that is listed as Morpho's too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A transaction that runs before, in the same block."""

    sender: Address
    to: Address
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One close that went through: what it left, before its gas."""

    position: PositionId
    collateral: str
    debt: str
    profit_wei: int
    gas_used: int

    def net_wei(self, gas_price_wei: int) -> int:
        """Return what is left after gas."""
        return self.profit_wei - self.gas_used * gas_price_wei


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seat:
    """Who closes positions of one of Morpho's isolated markets: Morpho itself, or an offer beside it."""

    name: str
    """As a keeper calls it."""
    id: Hash32
    contractor: Address
    """A pre-liquidation contract; the zero address for Morpho itself."""
    collateral: str
    loan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A close along one way, as it is asked."""

    position: PositionId
    collateral: str
    debt: str
    function: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """From one token to another, as the contract is told of it."""

    tokens: tuple[Address, ...] = ()
    """From the first that is sold; none where there is nothing to sell."""
    fees_pips: tuple[int, ...] = ()
    """Uniswap V3's pools between them; none: Uniswap V2's pairs."""

    @property
    def sold(self) -> tuple[bytes, tuple[Address, ...]]:
        """Return the way, for an amount that is sold."""
        return (b"", self.tokens) if not self.fees_pips else (self._path(), ())

    @property
    def bought(self) -> tuple[bytes, tuple[Address, ...]]:
        """Return the way, for an amount that is bought: Uniswap V3 reads it from the end."""
        if not self.fees_pips:
            return self.sold
        return replace(self, tokens=self.tokens[::-1], fees_pips=self.fees_pips[::-1]).sold

    def _path(self) -> bytes:
        rest = zip(self.fees_pips, self.tokens[1:], strict=True)
        return self.tokens[0] + b"".join(fee_pips.to_bytes(3) + token for fee_pips, token in rest)


class Referee:
    """Tries closes on a devnet's head. Changes nothing there."""

    def __init__(self, devnet: Devnet) -> None:
        self._devnet = devnet
        there = devnet.addresses
        self._market = (there.pool, there.router, there.v2_router, there.weth)
        compiled = compile_sources({_SOURCE: (CHECKOUT / _SOURCE).read_text()})["Referee"]
        self._code = f"0x{compiled.deployed_bytecode}"
        self._contract = interface(compiled.abi)
        # the pool's own list is in the order of its configuration's bits
        listed = load("aave_v3_pool").function("getReservesList")
        symbols = {token: symbol for symbol, token in there.tokens.items()}
        (tokens,) = listed.decode(devnet.chain.call(there.pool, listed.encode()))
        self._reserves = [symbols[token] for token in tokens]

        self._seats = {seat.name: seat for seat in _seats(there)}

    # --- who is unhealthy

    def positions(self, block: Block) -> tuple[Position, ...]:
        """Return every position in that block, by the pool's own account and by Morpho's."""
        return (*self._at_aave(block), *self._at_morpho(block))

    def _at_aave(self, block: Block) -> Iterator[Position]:
        there = self._devnet.addresses
        told = self._ask("positions", block, there.pool, there.borrowers)
        for borrower, (collateral_base, debt_base, health_factor_wad, configuration) in zip(
            there.borrowers, told, strict=True
        ):
            yield Position(
                id=PositionId(there.aave_market, borrower),
                collateral_base=collateral_base,
                debt_base=debt_base,
                unhealthy=health_factor_wad < _HEALTHY_WAD,
                collaterals=tuple(self._used(configuration >> 1)),
                debts=tuple(self._used(configuration)),
            )

    def _at_morpho(self, block: Block) -> Iterator[Position]:
        """Yield whoever has anything in a market; of offers, only what may be closed."""
        there, prices_base = self._devnet.addresses, self._devnet.prices_base()
        asked = [(seat, who) for seat in self._seats.values() for who in there.morpho_borrowers]
        seats = [(there.morpho, seat.id, borrower, seat.contractor) for seat, borrower in asked]
        told = self._ask("isolatedPositions", block, seats)
        for (seat, borrower), (collateral_raw, debt_raw, unhealthy) in zip(asked, told, strict=True):
            is_offer = seat.contractor != ZERO_ADDRESS
            if (unhealthy or not is_offer) and (collateral_raw or debt_raw):
                yield Position(
                    id=PositionId(seat.name, borrower),
                    collateral_base=TOKENS[seat.collateral].value_base(
                        collateral_raw, prices_base[seat.collateral]
                    ),
                    debt_base=TOKENS[seat.loan].value_base(debt_raw, prices_base[seat.loan]),
                    unhealthy=unhealthy,
                    collaterals=(seat.collateral,),
                    debts=(seat.loan,),
                    is_offer=is_offer,
                )

    def _ask(self, name: str, block: Block, *arguments: object) -> Any:
        function = self._contract.function(name)
        (answer,) = self._simulate([self._request(block, [], function.encode(*arguments))])
        assert answer is not None, "everybody's position is told"
        (told,) = function.decode(answer)
        return told

    def _used(self, configuration: int) -> Iterator[str]:
        """Yield the reserves whose bit is set: two bits each, borrowed below collateral."""
        return (symbol for place, symbol in enumerate(self._reserves) if configuration >> 2 * place & 1)

    # --- what a close would leave

    def full_closes(
        self, positions: Iterable[Position], block: Block, *, after: Sequence[Pending] = ()
    ) -> Mapping[PositionId, tuple[Attempt, ...]]:
        """Return every full close that goes through, by position: each pair, along each way."""
        trials = [
            trial
            for one in positions
            for collateral, debt in product(one.collaterals, one.debts)
            for trial in self._trials(one.id, collateral, debt, FULL_BPS)
        ]
        closes: dict[PositionId, tuple[Attempt, ...]] = {}
        for attempt in self._try(trials, block, after):
            closes[attempt.position] = (*closes.get(attempt.position, ()), attempt)
        return closes

    def close(
        self,
        position: PositionId,
        collateral: str,
        debt: str,
        *,
        share_bps: int,
        block: Block,
        after: Sequence[Pending],
        gas_price_wei: int,
    ) -> Attempt | None:
        """Return a close of that share along its best way, or None where the chain refuses it."""
        trials = list(self._trials(position, collateral, debt, share_bps))
        attempts = self._try(trials, block, after)
        return max(attempts, key=lambda attempt: attempt.net_wei(gas_price_wei), default=None)

    def _trials(self, position: PositionId, collateral: str, debt: str, share_bps: int) -> Iterator[_Trial]:
        there, seat = self._devnet.addresses, self._seats.get(position.market)
        buys = [way.bought for way in self._ways(collateral, debt)]
        sells = [way.sold for way in self._ways(collateral, "WETH")]
        for buy, sell in product(buys, sells):
            what: tuple[object, ...] = (there.tokens[collateral], there.tokens[debt], position.borrower)
            if seat is not None:
                what = ((there.morpho, seat.id, position.borrower, seat.contractor),)
            name = "close" if seat is None else "closeIsolated"
            yield _Trial(
                position=position,
                collateral=collateral,
                debt=debt,
                function=name,
                data=self._contract.function(name).encode(self._market, (*what, share_bps, buy, sell)),
            )

    def _ways(self, first: str, last: str) -> list[_Way]:
        """Return the ways between two tokens; one that leads nowhere where they are the same."""
        if first == last:
            return [_Way()]
        return self._along(first, last) or [
            way
            for between in _BETWEEN
            if between not in (first, last)
            for way in self._along(first, between, last)
        ]

    def _along(self, *symbols: str) -> list[_Way]:
        """Return every way from token to token, by one exchange."""
        there = self._devnet.addresses
        tokens = tuple(there.tokens[symbol] for symbol in symbols)
        steps = [{one, other} for one, other in pairwise(symbols)]
        pools = [[key.fee_pips for key in there.pools if {key.base, key.quote} == step] for step in steps]
        ways = [_Way(tokens=tokens, fees_pips=fees_pips) for fees_pips in product(*pools)]
        pairs = [set(name.split("/")) for name in there.v2_pairs]
        return [*ways, _Way(tokens=tokens)] if all(step in pairs for step in steps) else ways

    def _try(self, trials: Sequence[_Trial], block: Block, after: Sequence[Pending]) -> list[Attempt]:
        answers = self._simulate([self._request(block, after, trial.data) for trial in trials])
        attempts = []
        for trial, answer in zip(trials, answers, strict=True):
            if answer is not None:
                profit_wei, gas_used = self._contract.function(trial.function).decode(answer)
                attempts.append(
                    Attempt(
                        position=trial.position,
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


def _seats(there: Addresses) -> Iterator[_Seat]:
    """Yield Morpho's markets, and the contracts that offer a part of them earlier."""
    for pair, id_ in there.morpho_ids.items():
        collateral, loan = pair.split("/")
        offers = {there.morpho_market(id_): ZERO_ADDRESS}
        if pair in there.pre_contracts:
            offers[there.pre_market(there.pre_contracts[pair])] = there.pre_contracts[pair]
        for name, contractor in offers.items():
            yield _Seat(name=name, id=id_, contractor=contractor, collateral=collateral, loan=loan)


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
