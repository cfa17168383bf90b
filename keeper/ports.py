"""What the rooms need from outside, each a ``typing.Protocol``. Nothing here is implemented here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from keeper.domain.address import Address, Hash32
from keeper.domain.calls import ContractCall
from keeper.domain.carriage import Carriage
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Pool, Route
from keeper.domain.events import Settled
from keeper.domain.funding import Offer
from keeper.domain.head import Head, NextBlock
from keeper.domain.pending import Leading
from keeper.domain.plan import Draft, Plan
from keeper.domain.position import Currency, Health, Holding, Opportunity, PositionId
from keeper.domain.race import Liquidation
from keeper.domain.state import StateRef
from keeper.domain.submission import Acceptance, Outcome, SignedTransaction, Submission, UnsignedTransaction
from keeper.domain.surcharge import Surcharge
from keeper.domain.token import Token
from keeper.query import Answer, Ask, Call, Log, Query, SimulatedCall

# --- the world ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHead:
    """A block was mined; `seen_at_s` is the keeper's own time, so that nothing else needs a clock."""

    head: Head
    seen_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passed without a new head."""

    seen_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """At least as many endpoints have another block in a head's place: nothing is sent upon it."""

    head: Head
    why: str


Signal: TypeAlias = NewHead | Tick | Doubted


class World(Protocol):
    """The chain, as the keeper meets it: live, forked, or on tape."""

    def signals(self) -> AsyncIterator[Signal]:
        """Yield what happens, as it happens."""
        ...

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        """Return the answer to each ask, all at one state, in as few requests as they fit in.

        Raises Unavailable where the world does not answer, Inconsistent where it no longer knows the state.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What somebody's pending transaction makes of prices upon `head`, and how to simulate behind it."""

    head: Head
    behind: Leading
    prices: Prices
    positions: frozenset[PositionId]
    """Whom it lets fall."""
    ahead: tuple[SimulatedCall, ...]
    """What runs first in each simulation: the transaction itself, where all of it is known."""
    at: StateRef
    """What is simulated upon: where no more than its hash is known, feeds answer there as behind it."""


class Foresees(Protocol):
    """What looks ahead of the chain, beside whoever follows the heads."""

    def upon(self, head: Head) -> None:
        """Look again, upon this head, at what was foreseen and is not known to be in a block."""
        ...

    async def foreseen(self) -> Foresight:
        """Return the next that lets somebody fall, once there is one."""
        ...


# --- sources ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which logs concern a source: these emitters, these first topics."""

    emitters: tuple[Address, ...]
    topics: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a block's logs say has changed: not to what; that is read from the chain."""

    positions: frozenset[PositionId]
    configuration: bool
    """The market itself: reserves, thresholds, e-modes, the oracle's address, isolated markets within it."""

    @property
    def borrowers(self) -> frozenset[Address]:
        """Return whose positions they are."""
        return frozenset(position.borrower for position in self.positions)

    def __or__(self, other: Touched) -> Touched:
        """Return what either touched."""
        return Touched(
            positions=self.positions | other.positions,
            configuration=self.configuration or other.configuration,
        )


NOTHING_TOUCHED = Touched(positions=frozenset(), configuration=False)


Slot = TypeVar("Slot")


class Entry(NamedTuple, Generic[Slot]):
    """One amount of a position, as the chain stores it, and which of its amounts that is.

    A slot is a tuple of numbers and texts: what decides its weight together with the market's state.
    """

    slot: Slot
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What one unit in each slot adds to a position's sum: below zero where its health is below 1.

    What may be borrowed for collateral is above zero, what is owed below, in whatever currency the position's
    market has. The sum is exact but for the slack of each of the position's entries.
    """

    per_unit: Sequence[float]
    slack: Sequence[float]


Figures: TypeAlias = Mapping[str, int]
"""What a protocol says of a position, each figure by its name, with its unit."""

Prices: TypeAlias = Mapping[Call, int | None]
"""What calls that tell prices answer, as the protocol counts it; None where one reverts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A price that somebody reports, and that moves others."""

    address: Address
    reporter: Address
    """The contract behind it that reports go to."""
    call: Call
    """By which its answer is asked."""
    name: str
    """As it calls itself, such as ``ETH / USD``."""
    decimals: int


class Formula(Protocol):
    """How a contract's price follows from feeds, and from what else it reads. In ints, as it computes it."""

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """Return the feeds that move it, the one of what is priced first."""
        ...

    @property
    def reads(self) -> tuple[Call, ...]:
        """Return the calls whose answers it is computed from, its feeds' among them."""
        ...

    @property
    def contracts(self) -> frozenset[Address]:
        """Return every contract that it passes through, and those that its feeds' reports go to."""
        ...

    def value(self, answers: Prices, *, at_s: int) -> int | None:
        """Return the price by these answers, each a word, in a block of time `at_s`; None where one lacks."""
        ...


Recognise: TypeAlias = Callable[[Sequence[Address]], Query[Mapping[Address, Formula | str]]]
"""Tells of each contract the formula of its price, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """One price of a market's, and the contract that it comes from."""

    call: Call
    """By which the market learns it."""
    source: Address
    """The zero address where none is named."""
    token: Token
    """What is priced."""
    loan: Token | None
    """In what; None for the market's currency."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Generic[T]):
    """A block that was followed."""

    number: int
    hash: Hash32
    touched: T
    """By it, and by the blocks since the link before it where heads were missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What an earlier run knew of a market and its positions."""

    edition: str
    """What the rows mean: of another edition they can't be read."""
    remembered: tuple[bytes, ...]
    """What the market is opened again with."""
    scanned_to: int
    """Everybody who was named up to this block is among the positions; -1 where no block was looked at."""
    head: Head | None
    """What the rows are as of; None where none was read."""
    links: tuple[Link[Touched], ...]
    """The last ones that were followed, oldest first, up to `head`."""
    positions: Mapping[PositionId, bytes | None]
    """Each one's row, encoded; None where it was named and is not read yet."""


class Memory(Protocol):
    """Where what is known of the markets outlives the keeper. It is never the truth: the chain is.

    Its methods may be called from any thread; each is done whole or not at all. Those that return whether
    they did do nothing once another keeper has begun to write there.
    """

    def kept(self, source: str) -> Kept | None:
        """Return what is kept of a source, None where that is nothing, or can't be read."""
        ...

    def begin(self, source: str, *, edition: str) -> None:
        """Forget what is kept of a source, and begin to keep it in this edition."""
        ...

    def resume(self, source: str) -> None:
        """Go on with what is kept of a source."""
        ...

    def named(
        self, source: str, positions: Iterable[PositionId], *, remembered: Iterable[bytes], scanned_to: int
    ) -> bool:
        """Keep who was found in the blocks up to `scanned_to`."""
        ...

    def read(
        self,
        source: str,
        rows: Mapping[PositionId, bytes | None],
        *,
        head: Head,
        links: Iterable[Link[Touched]],
        remembered: Iterable[bytes],
    ) -> bool:
        """Keep rows as they are at `head`, and those of None no more.

        Every other row that is kept must be as it is at `head` already, or not read yet.
        """
        ...


Market = TypeVar("Market")
Row = TypeVar("Row")
AnyProtocol: TypeAlias = "LendingProtocol[Any, Any]"
"""Whichever protocol: who holds one knows neither its market nor its rows."""


class LendingProtocol(Protocol[Market, Row]):
    """One lending market by its protocol's own rules. Pure: it asks, it computes, it never fetches.

    `Market` is what is common to all its borrowers at one state (reserves, indices, prices); `Row` is what
    is a position's own (scaled balances, flags), as the chain stores it. Both are immutable values, and
    nobody else looks inside. Where one contract holds many isolated markets `Market` is all of them, and a
    position's id says which one it is in.
    """

    @property
    def name(self) -> str:
        """Return the market's name, such as ``aave-v3:0x8787…``."""
        ...

    @property
    def row_type(self) -> type[Row]:
        """Return what a row is: a value of numbers, texts and values of these, that can be written down."""
        ...

    def open(self, remembered: Sequence[bytes] = ()) -> Query[Market]:
        """Return the market, read whole, with what is `remembered` of it where its logs are not read again.

        Raises Broken where it is none, or of an unknown revision.
        """
        ...

    def remembered(self, market: Market) -> tuple[bytes, ...]:
        """Return what of the market only its logs tell."""
        ...

    def edition(self, market: Market) -> str:
        """Return what a row of this market means; rows of another edition are not to be compared."""
        ...

    def summary(self, market: Market) -> str:
        """Return in a few words what was opened."""
        ...

    def refresh(
        self, market: Market, *, configuration: bool, logs: Sequence[Log] = (), at_s: int | None = None
    ) -> Query[Market]:
        """Return the market at the state asked about: indices and prices, and the rest if `configuration`.

        Then `logs` are those that told of a configuration; they may add to it. `at_s` is the state's time.
        """
        ...

    def concerns(self, market: Market) -> Filter:
        """Return which logs concern this market."""
        ...

    def discovery(self, market: Market) -> Filter:
        """Return which logs name every borrower there ever was, once at least, and few besides."""
        ...

    def touched(self, market: Market, logs: Iterable[Log]) -> Touched:
        """Return whom these logs name. Logs of a kind it does not know are passed over."""
        ...

    def liquidating(self, market: Market) -> Filter:
        """Return which logs tell of liquidations, by whomever. No emitters where none can be told."""
        ...

    def liquidations(self, market: Market, logs: Iterable[Log]) -> tuple[Liquidation, ...]:
        """Return the liquidations that these logs tell of. Other logs are passed over."""
        ...

    def rows(
        self,
        market: Market,
        positions: Sequence[PositionId],
        *,
        known: Mapping[PositionId, Row] | None = None,
    ) -> Query[tuple[Row, ...]]:
        """Return each position's row. What they were is `known` of some: that may spare a round, no more."""
        ...

    def view(self, market: Market, positions: Sequence[PositionId]) -> Query[tuple[Figures | None, ...]]:
        """Return what the protocol itself says of each position, in one round; None where that reverts."""
        ...

    def figures(self, market: Market, row: Row, *, at_s: int) -> Figures | None:
        """Return what `view` must say of this row in a block of time `at_s`, None where it can't say."""
        ...

    def owes(self, row: Row) -> bool:
        """Return whether the row has any debt."""
        ...

    def pack(self, row: Row) -> Sequence[Entry[Any]]:
        """Return the entries of a row that owes something, as which it is kept and screened."""
        ...

    def unpack(self, position: PositionId, entries: Sequence[tuple[Any, int]]) -> Row:
        """Return the row that was packed into slots and amounts, equal in all."""
        ...

    def weights(self, market: Market, slots: Sequence[Any], *, at_s: int) -> Weights:
        """Return what each slot weighs at a block of time `at_s`.

        Where a health is below a number, the position's entries come to less than their slack, when what is
        owed is taken as often, and slack counts as often if that is more than once.
        """
        ...

    def repriced(self, market: Market, factors: Mapping[Address, Fraction]) -> Market:
        """Return the market as it would be if these tokens' prices were so many times what they are, floored.

        No other token's price follows, however it is made.
        """
        ...

    def prices(self, market: Market) -> Prices:
        """Return each call by which the market learns a price, and what it answered."""
        ...

    def sourced(self, market: Market) -> Query[tuple[Sourced, ...]]:
        """Return where each of the prices comes from."""
        ...

    def priced(self, market: Market, prices: Prices) -> Market:
        """Return the market as it would be if these calls answered so; what others answered stays.

        Calls that tell no price here are passed over: so all markets can be given the same prices.
        """
        ...

    def dollars(self, market: Market, token: Address) -> Fraction | None:
        """Return the price of a whole token in dollars, None where the market counts in something else."""
        ...

    def healths(self, market: Market, rows: Iterable[Row], *, at_s: int) -> tuple[Health, ...]:
        """Return each row's health at a block of time `at_s`, to the last digit of the protocol's view."""
        ...

    def holdings(
        self, market: Market, row: Row, *, at_s: int
    ) -> tuple[tuple[Holding, ...], tuple[Holding, ...]]:
        """Return what the borrower has as collateral and what they owe, at a block of time `at_s`."""
        ...

    def currency(self, market: Market, position: PositionId) -> Currency:
        """Return what the position's `_base` amounts count."""
        ...

    def opportunity(
        self, market: Market, position: PositionId, row: Row, *, block: NextBlock, deadline_s: int
    ) -> Opportunity:
        """Return every pair's terms for a liquidation in `block`, or as late as `deadline_s`."""
        ...

    def tokens(self, market: Market) -> tuple[Token, ...]:
        """Return the tokens that can be collateral or debt here."""
        ...

    def pairs(self, market: Market) -> Iterable[tuple[Address, Address]]:
        """Return which of them can be one position's collateral and debt, in either order."""
        ...


class Venue(Protocol):
    """Where collateral is sold: pools found for pairs, read at each head, and how to call them.

    A route may pass through several venues: each is asked for the calls of its own stretches, whose hops
    are all pools that name it as their venue.
    """

    @property
    def name(self) -> str: ...

    @property
    def hop_gas(self) -> int:
        """Return about what one pool more costs, in gas: what a route must earn to be worth its hops."""
        ...

    @property
    def told_by_logs(self) -> bool:
        """Return whether a pool logs every change of its depth; else all are read at each head."""
        ...

    @property
    def joins_hops(self) -> bool:
        """Return whether one call can pass through several of its pools; else each hop is a call."""
        ...

    @property
    def factory(self) -> Address | None:
        """Return what makes the pools, and tells of each in a log that begins with its two tokens.

        None where nothing does.
        """
        ...

    def discover(self, pairs: Iterable[tuple[Address, Address]]) -> Query[tuple[Address, ...]]:
        """Return the pools there are for these pairs, in any fee tier, however deep."""
        ...

    def load(self, pools: Sequence[Address]) -> Query[Mapping[Address, Pool]]:
        """Return each pool with its depth at the state asked about. Pools that can't be read are left out."""
        ...

    def sell(
        self, route: Route, *, amount_in_raw: int, least_out_raw: int, recipient: Address
    ) -> ContractCall:
        """Return the call that sells the executor's whole balance of the route's first token.

        `amount_in_raw` is what the balance is predicted to be, and the least it may be. The call's data has
        it too: without its balance word the call sells exactly so much.
        """
        ...

    def buy(self, route: Route, *, amount_out_raw: int, most_in_raw: int, recipient: Address) -> ContractCall:
        """Return the call that buys exactly `amount_out_raw` of the route's last token."""
        ...


class FlashSource(Protocol):
    """Who lends a token for the length of the transaction."""

    @property
    def name(self) -> str: ...

    @property
    def loan_gas(self) -> int:
        """Return about what a loan costs, in gas, beyond what runs inside: it guides the choice."""
        ...

    def load(self, tokens: Sequence[Address]) -> Query[tuple[Offer, ...]]:
        """Return what it lends of these tokens at the state asked about; of one token it may lend twice."""
        ...

    def call(self, offer: Offer, *, amount_raw: int, executor: Address) -> ContractCall:
        """Return the call that borrows, makes its callback, and takes back amount and fee.

        Its data ends in the callback's bytes argument, empty: what runs inside is put there when the
        program is packed.
        """
        ...


class Carrier(Protocol):
    """Whose money may be spent on a token that can't be sold within the transaction."""

    @property
    def name(self) -> str: ...

    @property
    def vault(self) -> Address:
        """Return where the money lies, and the token stays."""
        ...

    def load(self, spendable: Sequence[Address]) -> Query[tuple[Carriage, ...]]:
        """Return what of these tokens may be spent on what, at the state asked about."""
        ...

    def call(self, carriage: Carriage, *, amount_raw: int, least_raw: int) -> ContractCall:
        """Return the call that hands over `amount_raw`, and by its callback's end wants `least_raw` at least.

        What is not spent by then is to be handed back. Its data ends in the callback's bytes argument, empty.
        """
        ...


class SurchargeSource(Protocol):
    """What the chain takes for a transaction beside its gas."""

    @property
    def name(self) -> str: ...

    def load(self) -> Query[Surcharge]:
        """Return the surcharge at the state asked about, never too low."""
        ...


# --- landing ------------------------------------------------------------------------------------------------


class Signer(Protocol):
    """The operator's key, and what a signature may be given for."""

    @property
    def address(self) -> Address: ...

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Return the signed transaction. Raises Invariant where it is none that may be signed."""
        ...


class BidForm(StrEnum):
    """How a channel is paid for a place in a block."""

    NONE = "none"
    """First come, first served."""
    PRIORITY_FEE = "priority fee"
    """For each unit of gas."""
    COINBASE = "coinbase"
    """A share of what was earned, to the block's builder, within the transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A submission, and what must stand before it in the same block."""

    submission: Submission
    before: tuple[bytes, ...] = ()
    """The keeper's own of lower nonces, raw."""
    behind: Leading | None = None
    """What it is worthless without, such as an oracle's transaction: it comes right behind that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRequest:
    """One JSON-RPC request, as a channel wants it."""

    method: str
    params: tuple[object, ...]
    relay: str | None = None
    """Whom it is for, by name; None for the endpoints: those marked private where the channel is private."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelError:
    """The error that a channel answered with."""

    code: int
    message: str


class Channel(Protocol):
    """One way into a block: pure requests, parsed replies, and facts. Who calls it does the I/O, once."""

    @property
    def name(self) -> str: ...

    @property
    def is_private(self) -> bool:
        """Return whether what is sent through it is shown to nobody before it is in a block."""
        ...

    @property
    def reverts_can_land(self) -> bool:
        """Return whether a transaction that reverts may be in a block, and cost gas."""
        ...

    @property
    def is_for_one_block(self) -> bool:
        """Return whether it offers a transaction for the next block, and for no other."""
        ...

    @property
    def takes_alternatives(self) -> bool:
        """Return whether it can be offered several transactions of one nonce, to include one of them at most.

        That is whichever succeeds where the block is built, and pays most. Else one replaces another.
        """
        ...

    @property
    def bid_form(self) -> BidForm: ...

    def takes(self, behind: Leading | None) -> bool:
        """Return whether it can offer what must come right behind this; or behind nothing, where None."""
        ...

    def requests(self, offer: Sending) -> tuple[ChannelRequest, ...]:
        """Return the requests that submit a transaction: one for each who is to have it.

        Of what is behind something only where it takes that.
        """
        ...

    def withdrawals(self, submission: Submission) -> tuple[ChannelRequest, ...]:
        """Return the requests that ask to forget a submission; none where nobody would."""
        ...

    def parse(self, submission: Submission, reply: object | ChannelError) -> Acceptance:
        """Return what a reply means: a result decoded from JSON, or an error."""
        ...


class Journal(Protocol):
    """What was predicted, intended and concluded: append-only, on disk when a method returns.

    Every method raises Unavailable where it can't be written.
    """

    def predicted(self, head: Head, drafts: Sequence[Draft]) -> None:
        """Keep the amounts predicted, before a simulation has spoken."""
        ...

    def declined(self, head: Head, counts: Mapping[Reason, int]) -> None:
        """Keep how many borrowers were left alone for which reason."""
        ...

    def intended(self, submission: Submission) -> None:
        """Keep what is about to be sent. Nothing may be sent before this has returned."""
        ...

    def concluded(self, submission: Submission, outcome: Outcome) -> None:
        """Keep the one outcome of what was intended. Raises Invariant where there is another that stands."""
        ...

    def reopened(self, submission: Submission) -> None:
        """Keep that an outcome no longer stands. Raises Invariant where there is none."""
        ...

    def unconcluded(self, operator: Address) -> tuple[Submission, ...]:
        """Return what this key was intended to send and has no outcome yet, oldest first."""
        ...

    def revisable(self, operator: Address, *, from_block: int) -> tuple[tuple[Submission, Outcome], ...]:
        """Return what of this key came to an outcome that may still be taken back, oldest first.

        That is what was decided from that block on, and what expired with a nonce that nothing else here is
        known to have used.
        """
        ...


class Guard(Protocol):
    """What holds the sending back: asked before anything is planned or sent, told what came of each."""

    def look(self) -> None:
        """Find out whether anything is to be sent at all; it tells whoever listens when that changes."""
        ...

    def backing_off(self, position: PositionId) -> Declined | None:
        """Return why nothing is planned for this position now, or None."""
        ...

    def refuses(self, *, in_flight: int) -> Declined | None:
        """Return why no further plan is sent now, where so many are on their way; or None."""
        ...

    def settled(self, settled: Sequence[Settled]) -> None:
        """Take in what came to an outcome, and which outcomes stand no longer; all of it is journalled."""
        ...


class Bidder(Protocol):
    """What says how much is bid for a place in a block."""

    def share_bps(self) -> int:
        """Return the share of the profit that the next plans are to bid."""
        ...


class Landing(Protocol):
    """The submitter, as the engine drives it: from a plan to its one outcome."""

    def in_flight(self) -> Mapping[PositionId, frozenset[Address]]:
        """Return each position with a transaction on its way, and the pools that it counts on."""
        ...

    @property
    def joins(self) -> bool:
        """Return whether one transaction may close several borrowers."""
        ...

    def takes_ladder(self, behind: Leading | None) -> bool:
        """Return whether smaller sizes of a plan are of use: whether they can be offered beside it."""
        ...

    def sequence(self, positions: Sequence[PositionId]) -> tuple[PositionId, ...]:
        """Return positions in the order in which what is submitted for them, in this order, would run.

        It is another where some must take the place of what is on its way.
        """
        ...

    def takes(self, behind: Leading) -> bool:
        """Return whether there is a way into a block right behind this."""
        ...

    async def submit(self, plan: Plan, head: Head, *, behind: Leading | None = None) -> Submission:
        """Journal the intent, sign, send. Raises Rejected where it is certain that nothing is on its way.

        `behind` is what it must come right behind, in the next block: who can't see to that is not shown it.
        The plan's ladder is sent beside it, through what takes that. Raises Unavailable where the intent
        can't be written: then nothing was sent.
        """
        ...

    def beside(self, submission: Submission) -> tuple[Submission, ...]:
        """Return the smaller sizes that were sent with a submission, and may be on their way."""
        ...

    async def cancel_useless(self, head: Head) -> tuple[Submission, ...]:
        """Send a cancellation for each nonce that only a useless transaction holds; return what was sent.

        Comes after what is worth sending upon this head: that may take such a nonce over.
        """
        ...

    async def settle(self, head: Head) -> tuple[Settled, ...]:
        """Return what has come to its outcome by `head`, and which outcomes stand no longer, journalled."""
        ...
