"""What sends: the lock, the journal, the key, the brakes, the bids, and the way into a block."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

from keeper.app.build import Assembled, signing_key
from keeper.app.channels import channels, relays, unknown_odds
from keeper.app.checking import WARNINGS, WORLDLY, check
from keeper.config import Settings
from keeper.config.channel import BidSetting, ChannelName
from keeper.domain.address import checksum
from keeper.domain.errors import ConfigError, Unavailable
from keeper.domain.events import Listener
from keeper.domain.head import Head
from keeper.domain.odds import Odds
from keeper.keys import ExecutorSigner, Key, SigningLimits
from keeper.live.bidding import LearnedBids
from keeper.live.braking import Braking
from keeper.live.landing import Lander
from keeper.store.journal import SqliteJournal
from keeper.store.lock import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """A keeper that may send: it holds the lock, the journal and the key."""

    keeper: Assembled
    journal: SqliteJournal
    lander: Lander
    guard: Braking
    bids: LearnedBids | None
    """None where no bids are learned."""
    backrun_bids: LearnedBids | None
    """Behind a hash; None where no others are learned there."""


@asynccontextmanager
async def arm(keeper: Assembled, listen: Listener) -> AsyncIterator[Armed]:
    """Yield the keeper with lock, journal and key. Raises ConfigError where it may not send here."""
    settings, chain_id = keeper.settings, keeper.chain.chain_id
    if not settings.is_private and not settings.public_allowed_on(chain_id):
        raise ConfigError(
            "KEEPER_ALLOW_PUBLIC: is needed to send through Ethereum's public mempool, where others copy a "
            "profitable call; set it to true to accept that, or name private channels in KEEPER_CHANNELS, or "
            "set KEEPER_DRY_RUN=true to watch only"
        )
    key = _operator_key(keeper)
    path = settings.journal(chain_id)
    async with relays(settings) as by_name:
        with (
            Lock.of(journal=path, operator=key.address),
            closing(SqliteJournal.open(path, chain_id=chain_id)) as journal,
        ):
            yield Armed(
                keeper=keeper,
                bids=_learned(settings.bids, journal, listen),
                backrun_bids=_learned(settings.backrun_bids, journal, listen),
                guard=Braking(
                    limits=settings.brake_limits(keeper.chain),
                    max_in_flight=settings.max_in_flight,
                    kill_file=settings.kill_switch,
                    journal=journal,
                    listen=listen,
                    clock=time.time,
                ),
                journal=journal,
                lander=Lander(
                    endpoints=keeper.endpoints,
                    channels=channels(settings),
                    relays=by_name,
                    signer=ExecutorSigner(
                        key,
                        limits=SigningLimits(
                            chain_id=chain_id, max_fee_per_gas_wei=settings.max_fee_per_gas_wei
                        ),
                        executor=keeper.planner.desk.executor,
                    ),
                    journal=journal,
                    executor=keeper.planner.desk.executor,
                    vault=settings.vault,
                    chain_id=chain_id,
                    max_fee_per_gas_wei=settings.max_fee_per_gas_wei,
                    confirmations=settings.confirmations,
                    patience_blocks=settings.stuck_after_blocks,
                ),
            )


def _learned(setting: BidSetting | None, journal: SqliteJournal, listen: Listener) -> LearnedBids | None:
    if setting is None:
        return None
    return LearnedBids(
        setting.bounds, journal, listen=listen, backruns=setting.channel is ChannelName.BACKRUN
    )


def _operator_key(keeper: Assembled) -> Key:
    key = signing_key(keeper.settings)
    operator = keeper.planner.desk.operator
    if key is None or keeper.preamble:
        raise ConfigError("KEEPER_EXECUTOR: an executor and its operator's key are needed to send")
    if key.address != operator:
        raise ConfigError(
            f"KEEPER_PRIVATE_KEY: is the key of {checksum(key.address)}, but the executor's operator is "
            f"{checksum(operator)}"
        )
    return key


async def take_up(armed: Armed, head: Head, listen: Listener) -> None:
    """Take up what an earlier run left open. What that came to meanwhile, the brakes count too."""
    for recovered in await armed.lander.recover(head):
        listen(recovered)
    armed.guard.count_anew()


def odds_of(settings: Settings, journal: SqliteJournal) -> Odds:
    """Return the odds by what the journal tells of the races before."""
    return unknown_odds(settings).after_all(journal.submissions())


async def require_sound(keeper: Assembled) -> None:
    """Raise what `keeper check` finds wrong: Unavailable where that is the world's, else ConfigError."""
    wrong = [line for line in await check(keeper.settings) if not line.ok and line.name not in WARNINGS]
    told = tuple(f"{line.name}: {line.detail}. {line.advice}".strip() for line in wrong)
    if any(line.name in WORLDLY for line in wrong):
        raise Unavailable("; ".join(told))
    if wrong:
        raise ConfigError(*told)
