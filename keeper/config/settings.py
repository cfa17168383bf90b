"""What the operator decides: every variable with its unit, default and effect, and what follows from them."""

# ruff: noqa: RUF009 - `variable` returns a dataclass field, as `dataclasses.field` does
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from keeper.builders import BUILDERS
from keeper.chains import (
    CHAINS,
    DEFAULT_BLOCK_TIME_S,
    TRADING,
    Chain,
    SurchargeKind,
    Trading,
    chain_name,
)
from keeper.config import parse
from keeper.config.channel import BidSetting, BuilderSetting, ChannelName
from keeper.config.endpoint import EndpointSetting
from keeper.config.market import MarketSetting
from keeper.config.variable import variable
from keeper.domain.address import Address, Hash32
from keeper.domain.errors import ConfigError
from keeper.domain.fixed_point import BPS, WAD
from keeper.domain.plan import Objective
from keeper.domain.secret import Secret
from keeper.domain.token_rules import ALL_ATOMIC, TokenRules
from keeper.markets import directory
from keeper.places import LENDERS, Place
from keeper.planner.options import PlannerOptions
from keeper.ports import BidForm
from keeper.submitter.brakes import Limits

_ETHEREUM = 1
_UNBOUND_WEI = 2**128 - 1
_BID_FORMS = {
    ChannelName.PUBLIC: BidForm.PRIORITY_FEE,
    ChannelName.PRIVATE: BidForm.PRIORITY_FEE,
    ChannelName.BUNDLE: BidForm.COINBASE,
    ChannelName.BACKRUN: BidForm.COINBASE,
}


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawKey:
    """The operator's private key itself."""

    private_key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Keystore:
    """An encrypted key file, and what opens it."""

    path: Path
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSigner:
    """Where the operator's key is asked to sign, and whose it is."""

    url: Secret
    address: Address


KeySource: TypeAlias = RawKey | Keystore | RemoteSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every variable by its name, in lower case and without the prefix. Unset ones hold their default."""

    # --- the chain ------------------------------------------------------------------------------------------
    rpc_urls: tuple[EndpointSetting, ...] = variable(
        parse.listed(parse.endpoint),
        unset=(),
        section="The chain",
        unit="URLs (http, https, ws, wss), comma separated, each with marks or without",
        effect="JSON-RPC endpoints of one chain, the preferred one first. Heads are followed over a "
        "WebSocket where one is given, else by polling. Marks follow a #, joined by +, as in "
        "https://rpc.example.com/key#private+trusted. private: shows what it is sent to nobody. trusted: may "
        "be asked to simulate what is not public yet. sequencer: takes transactions for the chain's one "
        "producer, and nothing else.",
    )
    chain_id: int | None = variable(
        parse.whole(least=1),
        unit="chain id",
        without="whatever chain the endpoint is on",
        effect="The chain that the endpoints are expected to be on. With it, more mistakes are found before "
        "an endpoint is asked.",
    )
    markets: tuple[MarketSetting, ...] = variable(
        parse.listed(parse.market),
        unset=(),
        unit="protocol:name or protocol:address, comma separated, each with @block or without",
        decides=True,
        effect="Lending markets to watch, such as aave-v3:ethereum-core (`keeper markets` lists the names), "
        "aave-v3:0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2 (an Aave V3 Pool) or "
        "morpho:0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb (a Morpho Blue). Borrowers are looked for from "
        "the block after @: where none is given, from the market's deployment if the keeper knows it, else "
        "from the chain's first block.",
    )
    morpho_markets: frozenset[Hash32] = variable(
        lambda text: frozenset(parse.listed(parse.market_id)(text)),
        unset=frozenset[Hash32](),
        unit="market ids (0x and 64 hex digits), comma separated",
        without="all markets",
        decides=True,
        effect="Of a Morpho, only these isolated markets are watched.",
    )
    block_time_s: int | None = variable(
        parse.whole(least=1),
        unit="seconds",
        without=f"the chain's own; {DEFAULT_BLOCK_TIME_S} on a chain that the keeper does not know",
        decides=True,
        effect="Expected between two blocks' timestamps: transactions are simulated that much later.",
    )
    max_head_age_s: int = variable(
        parse.whole(least=1),
        default="120",
        unit="seconds",
        effect="An endpoint whose newest block is older is behind: nothing is decided upon it.",
    )
    poll_interval_s: float = variable(
        parse.seconds,
        default="1",
        unit="seconds",
        effect="How often a new head is asked for where the endpoint has no WebSocket.",
    )
    pending: bool = variable(
        parse.boolean,
        default="false",
        unit="true or false",
        effect="Whether pending transactions are heard of, over the WebSocket of KEEPER_RPC_URLS. One that "
        "changes a price is simulated, and whom it lets fall is told before it is in a block.",
    )

    mev_share_url: Secret | None = variable(
        parse.web_url,
        unit="URL (http or https)",
        effect="A MEV-Share event stream, such as https://mev-share.flashbots.net for Ethereum: it tells of "
        "transactions that are not public. Where one reports a price, whom that lets fall is told, and what "
        "pays is sent through the backrun channel.",
    )
    reorg_depth: int = variable(
        parse.whole(least=1, most=256),
        default="64",
        unit="blocks",
        effect="How many of the last blocks are remembered with what they touched: where the chain leaves as "
        "many or fewer, only what they touched is read again; where it leaves more, everything is.",
    )
    audited_positions: int = variable(
        parse.whole(least=0, most=100),
        default="2",
        unit="positions of each market, a block",
        effect="So many, drawn from the block's hash, are held against what the protocol itself says of "
        "them. What differs is told, counted and read again. 0 for none.",
    )

    # --- contracts and key ----------------------------------------------------------------------------------
    executor: Address | None = variable(
        parse.address,
        section="Your contracts and your key",
        unit="address",
        decides=True,
        effect="Your executor; needed to send. `keeper deploy` deploys it and prints this line.",
    )
    vault: Address | None = variable(
        parse.address,
        unit="address",
        decides=True,
        effect="Your vault, where profit arrives; needed to send. `keeper deploy` deploys it and prints this "
        "line.",
    )
    private_key: Secret | None = variable(
        parse.private_key,
        unit="0x and 64 hex digits",
        effect="The operator's key, which pays for gas. Without a key, `keeper run` plans and simulates, and "
        "sends nothing. Give either this or a keystore.",
    )
    keystore: Path | None = variable(
        parse.file,
        unit="path of an encrypted key file (Web3 Secret Storage)",
        effect="The operator's key, encrypted. Where no password is given it is asked for at the terminal.",
    )
    keystore_password: Secret | None = variable(
        parse.password,
        unit="text",
        effect="Opens the keystore.",
    )
    keystore_password_file: Path | None = variable(
        parse.file,
        unit="path",
        effect="A file whose first line opens the keystore; instead of the password itself.",
    )
    remote_signer: Secret | None = variable(
        parse.web_url,
        unit="URL (http or https)",
        effect="A signer that holds the operator's key and answers eth_signTransaction, as Web3Signer does. "
        "Needs KEEPER_OPERATOR. What it signs is held to what it was asked, to the byte.",
    )
    operator: Address | None = variable(
        parse.address,
        unit="address",
        effect="Whose key the remote signer is asked for.",
    )
    min_operator_balance_wei: int = variable(
        parse.whole(),
        default="10000000000000000",
        unit="wei",
        effect="`keeper check` and the log warn where the operator has less for gas. The default is a "
        "hundredth of a coin.",
    )
    dry_run: bool = variable(
        parse.boolean,
        default="false",
        unit="true or false",
        effect="With true, everything is planned and simulated and nothing is ever sent.",
    )
    channels: tuple[ChannelName, ...] = variable(
        parse.listed(parse.choice(ChannelName)),
        default="public",
        unit="public; or any of private, bundle and backrun, comma separated",
        effect="How transactions reach a block; each goes through all of these at once. public: every "
        "endpoint, for everybody to see. private: the endpoints marked private or sequencer, and builders "
        "that take single transactions. bundle: the builders, for the next block alone, where it is included "
        "whole or not at all; also right behind a pending report of a price. backrun: the same builders, "
        "right behind a report that KEEPER_MEV_SHARE_URL tells of, and nothing else. What is sent privately, "
        "and what replaces or cancels it, is shown to nobody else.",
    )
    builders: tuple[BuilderSetting, ...] = variable(
        parse.listed(parse.builder),
        default="flashbots,titan,quasar",
        unit=f"{', '.join(one.name for one in BUILDERS)}, or URLs with marks or without, comma separated",
        effect="Who is sent bundles and private transactions, where KEEPER_CHANNELS names those; each sees "
        "what it is sent before anybody else does. Marks of a URL say what it takes besides bundles, as in "
        "https://builder.example.com#single+cancels. single: eth_sendPrivateTransaction. cancels: "
        "eth_cancelBundle. backruns: mev_sendBundle, as flashbots does, which passes on to titan and quasar.",
    )
    relay_key: Secret | None = variable(
        parse.private_key,
        unit="0x and 64 hex digits",
        without="a new key at each start, of which no builder knows anything good",
        effect="Signs what builders are sent, so that they know you again. It holds nothing and signs no "
        "transaction: never give the operator's key.",
    )
    allow_public: bool = variable(
        parse.boolean,
        default="false",
        unit="true or false",
        effect="With true, transactions may go through the public mempool of Ethereum mainnet, where others "
        "copy a profitable call. Other chains do not ask for it.",
    )
    allow_unverified: bool = variable(
        parse.boolean,
        default="false",
        unit="true or false",
        decides=True,
        effect="With true, a market of a revision that the keeper does not know is read and computed as the "
        "nearest older one that it does know, and every plan in it says so. Else it is left alone.",
    )

    # --- how much to close ----------------------------------------------------------------------------------
    objective: Objective = variable(
        parse.choice(Objective),
        default="max_profit",
        section="How much to close",
        unit="max_profit, max_close or restore_health",
        decides=True,
        effect="Which size is sent. max_profit: the last unit repaid still pays for itself. max_close: the "
        "largest close that keeps most of that profit. restore_health: the smallest repay that brings the "
        "position to the target.",
    )
    max_close_keep_bps: int = variable(
        parse.whole(most=BPS),
        default="9000",
        unit="bps (1/100 of a percent)",
        decides=True,
        effect="The share of the maximal profit that max_close must keep.",
    )
    target_health_factor: int = variable(
        parse.scaled(WAD, least="1"),
        default="1.02",
        unit="health factor, decimal",
        decides=True,
        effect="The health that restore_health brings a position to.",
    )

    # --- what it must earn ----------------------------------------------------------------------------------
    min_profit_wei: int = variable(
        parse.whole(),
        default="1000000000000000",
        section="What a liquidation must earn: all three, after gas and tip",
        unit="wei of the wrapped native token",
        decides=True,
        effect="The least profit. The default is a thousandth of a coin.",
    )
    min_profit_gas_ratio: int = variable(
        parse.scaled(BPS),
        default="0.2",
        unit="decimal, of the gas at risk",
        decides=True,
        effect="The least profit for each wei of gas: 0.2 asks for a fifth of what the gas costs.",
    )
    min_profit_bps: int = variable(
        parse.whole(most=BPS),
        default="0",
        unit="bps of the repay",
        decides=True,
        effect="The least profit for what is repaid.",
    )

    # --- limits ---------------------------------------------------------------------------------------------
    max_slippage_bps: int = variable(
        parse.whole(most=BPS),
        default="50",
        section="Limits",
        unit="bps of the predicted amount",
        decides=True,
        effect="How much dearer than predicted a swap may become before it reverts.",
    )
    floor_tolerance_bps: int = variable(
        parse.whole(most=BPS),
        default="500",
        unit="bps of the predicted profit",
        decides=True,
        effect="How much of the predicted profit may be missing before the executor reverts everything.",
    )
    most_closes: int = variable(
        parse.whole(least=1, most=8),
        default="4",
        unit="closes",
        decides=True,
        effect="How many closes of one borrower one transaction may make, where one call may not close all "
        "that pays: another repays a part of the rest, or another collateral goes. Each costs half a million "
        "gas, and all fail together. 1 makes one alone.",
    )
    most_joined: int = variable(
        parse.whole(least=1, most=16),
        default="1",
        unit="borrowers",
        effect="How many borrowers of one block one transaction may close, where that costs less gas than "
        "one each: 21,000 and more for every further one. Who is closed by another first is left out of it, "
        "and the others are closed all the same; but it lands as a whole or not at all, and no smaller sizes "
        "stand beside it. Behind a report known by its hash alone all go into one, whatever is set here.",
    )
    ladder_rungs: int = variable(
        parse.whole(least=0, most=4),
        default="2",
        unit="sizes",
        effect="How many smaller sizes of a plan are offered beside it in bundles, each of half the repay of "
        "the one before: where others have moved the pools ahead of it and its floor is not met, the largest "
        "that still meets its own lands. All have its nonce, so at most one does. Each is simulated with the "
        "plan. 0 sends the plan alone, as other channels do.",
    )
    exact_orders: int = variable(
        parse.whole(least=1, most=8),
        default="6",
        unit="borrowers",
        decides=True,
        effect="Of up to so many borrowers of one block that share pools, cash or gas, the best order of all "
        "is found for certain; of more, a good one is exchanged piece by piece. Six that all share something "
        "take some tenths of a second, a second where they sell both ways; four take a tenth of that. Where "
        "blocks come faster than that, set fewer.",
    )
    max_oracle_divergence_bps: int = variable(
        parse.whole(most=BPS),
        default="500",
        unit="bps",
        decides=True,
        effect="Where the oracle's and the pools' price of a pair differ by more, the pair is declined.",
    )
    max_oracle_age_s: int = variable(
        parse.whole(),
        default="86400",
        unit="seconds",
        decides=True,
        effect="An oracle whose price differs by more than that, and was not seen to change for so long, is "
        "called stale: its positions are declined as such. Followed for Morpho's markets.",
    )
    deadline_s: int = variable(
        parse.whole(),
        default="24",
        unit="seconds",
        decides=True,
        effect="How long after the block that it is meant for a transaction may still run.",
    )
    confirmations: int = variable(
        parse.whole(),
        default="1",
        unit="blocks",
        effect="How many blocks must follow the one that a transaction is in before its outcome is written "
        "down: a reorg may take the first one back.",
    )
    stuck_after_blocks: int = variable(
        parse.whole(least=1),
        default="3",
        unit="blocks",
        effect="A transaction that is in no block after so many is stuck: what is planned anew replaces it, "
        "at fees a tenth higher, while that still pays. Past its deadline a cancellation replaces it.",
    )
    deny_borrowers: frozenset[Address] = variable(
        lambda text: frozenset(parse.listed(parse.address)(text)),
        unset=frozenset[Address](),
        unit="addresses, comma separated",
        decides=True,
        effect="Borrowers that are never liquidated.",
    )
    tokens: TokenRules = variable(
        parse.token_rules,
        unset=ALL_ATOMIC,
        unit="address:class, comma separated; * for all others; a class is atomic, carry or never",
        without="*:atomic",
        decides=True,
        effect="What may be done with a token. atomic: it is repaid, seized and hopped through, and sold or "
        "unwrapped whole within the transaction. never: neither. *:never leaves alone what is not named. "
        "carry, of a token by its own address: as atomic, and where no close pays at once the vault may pay "
        "the debt and keep the token. Name an aToken to take it where its reserve has no cash. The vault's "
        "owner must allow it too, see `keeper carry`. The wrapped native token is always atomic.",
    )
    carry_haircut_bps: int | None = variable(
        parse.whole(most=BPS),
        unit="bps of the oracle's price",
        without="what no pools buy is not carried",
        decides=True,
        effect="What is carried is booked at the lower of the oracle's price and of what the pools give for "
        "it. Where no pools buy it, so much is taken off the oracle's price.",
    )

    # --- brakes ---------------------------------------------------------------------------------------------
    max_gas_wei_per_hour: int | None = variable(
        parse.whole(least=1),
        section="Brakes: they stop the sending, not the watching, until `keeper resume`",
        unit="wei",
        without="no limit",
        effect="Once so much was paid for gas within an hour, whatever came of it, nothing more is sent.",
    )
    max_reverts_in_row: int | None = variable(
        parse.whole(least=1),
        default="5",
        unit="transactions",
        effect="Once so many reverted one after the other, nothing more is sent.",
    )
    max_loss_wei_per_day: int | None = variable(
        parse.whole(least=1),
        unit="wei",
        without="no limit",
        effect="Once a day has cost so much, all that was earned deducted, nothing more is sent.",
    )
    brake_pause_s: int | None = variable(
        parse.whole(least=1),
        unit="seconds",
        without="until `keeper resume`",
        effect="How long a brake holds by itself.",
    )
    max_in_flight: int | None = variable(
        parse.whole(least=1),
        unit="transactions",
        without="no limit",
        effect="While so many are on their way, no other is sent. It needs no release.",
    )
    max_value_wei: int | None = variable(
        parse.whole(least=1),
        unit="wei of the wrapped native token",
        without="no limit",
        decides=True,
        effect="A liquidation that repays more than this is worth is declined. It needs no release.",
    )
    kill_file: Path | None = variable(
        parse.path,
        unit="path",
        without="`kill` in the state directory",
        effect="While this file is there nothing is sent, from one transaction to the next.",
    )

    # --- fees -----------------------------------------------------------------------------------------------
    max_fee_per_gas_wei: int = variable(
        parse.whole(least=1),
        default="300000000000",
        section="Fees",
        unit="wei per unit of gas",
        decides=True,
        effect="Nothing is signed that could pay more. The default is 300 gwei.",
    )
    priority_fee_wei: int = variable(
        parse.whole(),
        default="1000000000",
        unit="wei per unit of gas",
        decides=True,
        effect="Paid to the block's producer over the base fee. The default is 1 gwei, which is much on most "
        "rollups.",
    )
    tip_bps: int = variable(
        parse.whole(most=BPS),
        default="0",
        unit="bps of the measured profit",
        decides=True,
        effect="The share of the profit that the executor pays to the block's builder.",
    )
    max_tip_wei: int = variable(
        parse.whole(),
        default="0",
        unit="wei",
        decides=True,
        effect="The largest such tip.",
    )

    bid_bps: tuple[BidSetting, ...] = variable(
        parse.listed(parse.bid),
        unset=(),
        unit="channel:least-most in bps of the profit, comma separated",
        without="no bids are learned: the tip and the priority fee above are all that is paid",
        effect="How much of each profit is bid for a place in the block, learned between these bounds from "
        "which bids won and what those that beat them paid, as in bundle:500-9000. The first of "
        "KEEPER_CHANNELS with bounds counts; behind a hash backrun's own do, where it has some. bundle, "
        "backrun: of the measured profit, to the block's builder, in place of KEEPER_TIP_BPS. public, "
        "private: of what is left after gas, as a priority fee on top of KEEPER_PRIORITY_FEE_WEI. "
        "Arbitrum takes no bids.",
    )

    # --- where to trade -------------------------------------------------------------------------------------
    wrapped_native: Address | None = variable(
        parse.address,
        section="Where to trade",
        unit="address",
        without=f"known for {', '.join(chain.name for chain in CHAINS.values())}",
        decides=True,
        effect="The wrapped native token, in which profit is counted.",
    )
    intermediates: tuple[Address, ...] = variable(
        parse.listed(parse.address),
        unset=(),
        unit="addresses, comma separated",
        without="the wrapped native token, and USDC where the chain is known",
        decides=True,
        effect="Tokens that a sale may hop through.",
    )
    venues: tuple[Place, ...] = variable(
        parse.listed(parse.venue),
        unset=(),
        unit="kind:factory:router, comma separated",
        without=f"those known on {', '.join(chain.name for chain in CHAINS.values())}",
        decides=True,
        effect="Where collateral is sold. Kinds: uniswap-v2, uniswap-v3, sushi-v2, sushi-v3, pancake-v2, "
        "pancake-v3 and slipstream, each with factory and router; erc4626 alone, for every vault; "
        "wsteth:<wstETH>; erc20-wrapper:<wrapper>, for wrappers one for one.",
    )
    lenders: tuple[Place, ...] = variable(
        parse.listed(parse.lender),
        unset=(),
        unit="kind:address, comma separated",
        without="the Aave pools and Morphos that are watched, those known on the chain, and your vault",
        decides=True,
        effect="Who lends what is repaid, within the transaction; the cheapest is taken. Kinds: "
        "aave-v3:<pool>, balancer-v2:<vault>, morpho:<Morpho>, uniswap-v3:<factory>, pancake-v3:<factory>; "
        "vault alone, for your own, up to the caps you set there.",
    )

    surcharge: SurchargeKind | None = variable(
        parse.choice(SurchargeKind),
        unit="op-stack or arbitrum",
        without="known for Optimism, Base and Arbitrum; else none",
        decides=True,
        effect="What the chain takes for a transaction beside gas: the OP stack's data and operator fees, or "
        "Arbitrum's data fee. It is counted as if the data did not compress.",
    )

    # --- this machine ---------------------------------------------------------------------------------------
    state_dir: Path = variable(
        parse.path,
        default="~/.local/state/keeper",
        section="This machine",
        unit="path of a directory",
        effect="Holds the journal, its lock and the heartbeat. Made where it is not there.",
    )
    heartbeat_file: Path | None = variable(
        parse.path,
        unit="path",
        without="`heartbeat` in the state directory",
        effect="Touched at each head that was handled, for a supervisor to look at.",
    )
    tape: Path | None = variable(
        parse.path,
        unit="path of a file",
        effect="`keeper run` and `keeper shadow` record there what they are answered and decide, so that "
        "`keeper backtest --tape` can decide it again. What was there before, and what grows too large, is "
        "moved to the same name with .1 behind it.",
    )
    tape_max_bytes: int = variable(
        parse.whole(least=1_000_000),
        default="2000000000",
        unit="bytes",
        effect="The most that both files together take.",
    )
    log_format: LogFormat = variable(
        parse.choice(LogFormat),
        default="text",
        unit="text or json",
        effect="One readable line, or one JSON object, for each event.",
    )
    log_level: LogLevel = variable(
        parse.choice(LogLevel),
        default="info",
        unit="debug, info, warning or error",
        effect="The least that is logged.",
    )

    # --- what follows ---------------------------------------------------------------------------------------

    @property
    def key(self) -> KeySource | None:
        """Return where the operator's key comes from, or None. A password file is read now.

        Raises ConfigError where that file can't be read.
        """
        if self.private_key is not None:
            return RawKey(private_key=self.private_key)
        if self.remote_signer is not None and self.operator is not None:
            return RemoteSigner(url=self.remote_signer, address=self.operator)
        if self.keystore is None:
            return None
        if self.keystore_password is not None:
            return Keystore(path=self.keystore, password=self.keystore_password)
        if self.keystore_password_file is None:
            raise ConfigError(
                "KEEPER_KEYSTORE: needs KEEPER_KEYSTORE_PASSWORD or KEEPER_KEYSTORE_PASSWORD_FILE"
            )
        try:
            lines = self.keystore_password_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = type(error).__name__
            raise ConfigError(f"KEEPER_KEYSTORE_PASSWORD_FILE: can't be read: {why}") from None
        return Keystore(path=self.keystore, password=Secret(lines[0] if lines else ""))

    @property
    def has_key(self) -> bool:
        """Return whether a key is configured, without reading it."""
        return (self.private_key, self.keystore, self.remote_signer) != (None, None, None)

    @property
    def needs_password(self) -> bool:
        """Return whether the keystore's password is still to be asked for."""
        given = (self.keystore_password, self.keystore_password_file)
        return self.keystore is not None and given == (None, None)

    @property
    def sends(self) -> bool:
        """Return whether anything may be sent: there is a key, and it is no dry run."""
        return self.has_key and not self.dry_run

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Return everything that must not be shown."""
        own = (
            self.private_key,
            self.keystore_password,
            self.relay_key,
            self.remote_signer,
            self.mev_share_url,
        )
        urls = (*(one.url for one in self.rpc_urls), *(one.url for one in self.builders))
        return (*urls, *(secret for secret in own if secret is not None))

    @property
    def heartbeat(self) -> Path:
        """Return the heartbeat's path."""
        return self.heartbeat_file or self.state_dir / "heartbeat"

    @property
    def is_private(self) -> bool:
        """Return whether what is sent is shown to nobody before it is in a block."""
        return ChannelName.PUBLIC not in self.channels

    @property
    def bids(self) -> BidSetting | None:
        """Return the bounds of what is bid, of the first channel that has some; None where none has.

        Those of the backrun channel are another matter: a race behind a report is won by other bids.
        """
        bounds = {one.channel: one for one in self.bid_bps if one.channel is not ChannelName.BACKRUN}
        return next((bounds[name] for name in self.channels if name in bounds), None)

    @property
    def backrun_bids(self) -> BidSetting | None:
        """Return the bounds of what is bid behind a hash; None where it is what is bid elsewhere."""
        return next((one for one in self.bid_bps if one.channel is ChannelName.BACKRUN), None)

    @property
    def bid_form(self) -> BidForm:
        """Return how bids are paid that are learned."""
        if self.bids is None:
            return BidForm.NONE
        return _BID_FORMS[self.bids.channel]

    @property
    def _max_tip_wei(self) -> int:
        """Return the largest tip: of a learned bid its share is bound enough, where nothing else is said."""
        learned = self.bid_form is BidForm.COINBASE or self.backrun_bids is not None
        return self.max_tip_wei or (_UNBOUND_WEI if learned else 0)

    def journal(self, chain_id: int) -> Path:
        """Return the path of a chain's journal."""
        return self.state_dir / f"journal-{chain_id}.sqlite"

    @property
    def kill_switch(self) -> Path:
        """Return the kill file's path."""
        return self.kill_file or self.state_dir / "kill"

    def brake_limits(self, chain: Chain) -> Limits:
        """Return the brakes' own limits. A borrower whose plan failed waits two blocks at first."""
        return Limits(
            max_gas_wei_per_hour=self.max_gas_wei_per_hour,
            max_reverts_in_row=self.max_reverts_in_row,
            max_loss_wei_per_day=self.max_loss_wei_per_day,
            pause_s=self.brake_pause_s,
            first_backoff_s=2 * chain.block_time_s,
        )

    def public_allowed_on(self, chain_id: int) -> bool:
        """Return whether a transaction may go through the public mempool of that chain."""
        return self.allow_public or chain_id != _ETHEREUM

    def start_block(self, market: MarketSetting, chain_id: int) -> int:
        """Return the block from which a market's borrowers are looked for."""
        if market.from_block is not None:
            return market.from_block
        return next((one.from_block for one in market.may_be_on if one.chain_id == chain_id), 0)

    def chain(self, chain_id: int) -> Chain:
        """Return the chain that the endpoint says it is on.

        Raises ConfigError where another one was expected, or a market is known to be on another one.
        """
        if mistakes := self.chain_mistakes(chain_id):
            raise ConfigError(*mistakes)
        known = CHAINS.get(chain_id)
        return Chain(
            chain_id=chain_id,
            name=known.name if known else directory().chain(chain_id) or f"chain {chain_id}",
            block_time_s=self.block_time_s or (known.block_time_s if known else DEFAULT_BLOCK_TIME_S),
        )

    def chain_mistakes(self, chain_id: int) -> tuple[str, ...]:
        """Return what contradicts being on that chain, each beginning with its variable's name."""
        mistakes = []
        if self.chain_id not in (None, chain_id):
            assert self.chain_id is not None
            mistakes.append(
                f"KEEPER_CHAIN_ID: expected {chain_name(self.chain_id)}, "
                f"but the endpoint is on {chain_name(chain_id)}"
            )
        for market in self.markets:
            deployed = [one.chain_id for one in market.may_be_on]
            if deployed and chain_id not in deployed:
                mistakes.append(
                    f"KEEPER_MARKETS: {market} is a market of {' and '.join(map(chain_name, deployed))}, "
                    f"not of {chain_name(chain_id)}"
                )
        return tuple(mistakes)

    def trading(self, chain_id: int) -> Trading:
        """Return what a sale on that chain goes through: what is configured, else what is known.

        Raises ConfigError naming every variable that is needed on a chain that is not known.
        """
        known = TRADING.get(chain_id)
        wrapped_native = self.wrapped_native or (known.wrapped_native if known else None)
        venues = self.venues or (known.venues if known else ())
        if wrapped_native is None or not venues:
            needed = {
                "KEEPER_WRAPPED_NATIVE: expected an address": wrapped_native,
                "KEEPER_VENUES: expected a venue": venues,
            }
            raise ConfigError(
                *(
                    f"{expected}, as {chain_name(chain_id)} is not one that the keeper knows"
                    for expected, value in needed.items()
                    if not value
                )
            )
        return Trading(
            wrapped_native=wrapped_native,
            intermediates=self.intermediates or (known.intermediates if known else (wrapped_native,)),
            venues=venues,
            lenders=self._lenders(known),
            surcharge=self.surcharge or (known.surcharge if known else None),
        )

    def _lenders(self, known: Trading | None) -> tuple[Place, ...]:
        """Return who lends: those configured, else those watched, those known, and the vault."""
        if self.lenders:
            return self.lenders
        watched = (
            Place(kind=market.protocol, addresses=(market.address,))
            for market in self.markets
            if market.protocol in LENDERS
        )
        own = () if self.vault is None else (Place(kind="vault"),)
        return tuple(dict.fromkeys((*watched, *(known.lenders if known else ()), *own)))

    def planner_options(self, trading: Trading) -> PlannerOptions:
        """Return the planner's own options. Where nothing has been learned yet, the least is bid."""
        least_bid_bps = 0 if self.bids is None else self.bids.bounds.least_bps
        return PlannerOptions(
            objective=self.objective,
            max_close_keep_bps=self.max_close_keep_bps,
            target_health_factor_wad=self.target_health_factor,
            min_profit_wei=self.min_profit_wei,
            min_profit_gas_ratio_bps=self.min_profit_gas_ratio,
            min_profit_bps=self.min_profit_bps,
            max_slippage_bps=self.max_slippage_bps,
            floor_tolerance_bps=self.floor_tolerance_bps,
            most_closes=self.most_closes,
            exact_orders=self.exact_orders,
            most_joined=self.most_joined,
            ladder_rungs=self.ladder_rungs,
            max_oracle_divergence_bps=self.max_oracle_divergence_bps,
            max_oracle_age_s=self.max_oracle_age_s,
            max_fee_per_gas_wei=self.max_fee_per_gas_wei,
            priority_fee_wei=self.priority_fee_wei,
            tip_bps=least_bid_bps if self.bid_form is BidForm.COINBASE else self.tip_bps,
            max_tip_wei=self._max_tip_wei,
            bid_form=self.bid_form,
            bid_bps=least_bid_bps,
            deny_borrowers=self.deny_borrowers,
            tokens=self.tokens,
            carry_haircut_bps=self.carry_haircut_bps,
            max_value_wei=self.max_value_wei,
            intermediates=trading.intermediates,
        )
