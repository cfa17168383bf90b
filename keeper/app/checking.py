"""`keeper check`: everything that `keeper run` relies on, each a line, with what to do about a failure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keeper import contracts
from keeper.abi import interface
from keeper.app.build import Reached, protocol, reach, signing_key
from keeper.chains import Chain, Trading
from keeper.config import Settings
from keeper.domain.address import ZERO_ADDRESS, Address, checksum
from keeper.domain.carriage import Carriage
from keeper.domain.errors import Broken, ConfigError, Unavailable
from keeper.domain.head import Head
from keeper.domain.report import CheckLine
from keeper.domain.state import Mined
from keeper.domain.token import Token, TokenAmount
from keeper.flash.vault import VaultCarry
from keeper.live.braking import brakes_of
from keeper.node.endpoints import Endpoints
from keeper.node.event_stream import EventStream
from keeper.node.standing import Standing
from keeper.places import Place
from keeper.query import (
    AccountState,
    Call,
    Query,
    Reverted,
    SimulatedCall,
    accounts,
    attempt,
    both,
    run,
    settle,
    simulate,
)
from keeper.store.journal import SqliteJournal

WORLDLY = frozenset({"endpoint", "head"})
"""The lines that are about the world, not about what the operator wrote."""
WARNINGS = frozenset({"node", "gas", "brakes", "stream", "carry"})
"""The lines that do not keep a keeper from starting: it watches, and sends once they are mended."""


async def check(settings: Settings) -> tuple[CheckLine, ...]:
    """Return a line for each thing that must hold. What can't be found out is a failed line, not an error."""
    try:
        async with reach(settings) as reached:
            head = await reached.endpoints.block("latest")
            lines = [_chain(reached), _head_age(head, settings), *(await _nodes(reached.endpoints))]
            try:
                trading = settings.trading(reached.chain.chain_id)
            except ConfigError as error:
                return (*lines, *(_mistaken("venue", mistake) for mistake in error.mistakes))
            at = Mined(hash=head.hash)
            lines += await run(_markets(settings), at, reached.world)
            lines += await run(_contracts(settings, trading), at, reached.world)
            lines += await run(_venues(trading), at, reached.world)
            lines += await run(_carried(settings), at, reached.world)
            lines.append(await _simulation(reached, head))
            lines += await _stream(settings)
            lines += _sending(settings, reached.chain)
            return tuple(lines)
    except ConfigError as error:
        return tuple(_mistaken("endpoint", mistake) for mistake in error.mistakes)
    except Unavailable as error:
        return (
            CheckLine(
                name="endpoint",
                ok=False,
                detail=str(error),
                advice="Is KEEPER_RPC_URLS right, and the node up?",
            ),
        )


def _mistaken(name: str, mistake: str) -> CheckLine:
    variable, _, what = mistake.partition(": ")
    return CheckLine(name=name, ok=False, detail=what or mistake, advice=f"Set {variable}." if what else "")


def _chain(reached: Reached) -> CheckLine:
    chain = reached.chain
    known = "" if str(chain.chain_id) in chain.name else f", chain id {chain.chain_id}"
    return CheckLine(name="chain", ok=True, detail=chain.name + known)


def _head_age(head: Head, settings: Settings) -> CheckLine:
    age_s = int(time.time()) - head.timestamp_s
    ok = age_s <= settings.max_head_age_s
    return CheckLine(
        name="head",
        ok=ok,
        detail=f"block {head.number}, {max(age_s, 0)} s old",
        advice=""
        if ok
        else f"The endpoint is behind by more than KEEPER_MAX_HEAD_AGE_S ({settings.max_head_age_s} s): wait "
        "until it has caught up, or use another one.",
    )


async def _nodes(endpoints: Endpoints) -> list[CheckLine]:
    """Return a line for each endpoint: how far it is, how quick, and what it may be shown."""
    if any(one.head is None for one in endpoints.standings):  # one alone is not surveyed at the start
        await endpoints.survey()
    return [_node(one, newest_number=endpoints.newest_number) for one in endpoints.standings]


def _node(one: Standing, *, newest_number: int) -> CheckLine:
    name = str(one.endpoint)
    marks = "".join(f", {role}" for role in sorted(one.endpoint.roles))
    if not one.endpoint.answers_reads:
        return CheckLine(name="node", ok=True, detail=f"{name}{marks}: is sent to, and never asked")
    if one.foreign:
        return CheckLine(name="node", ok=False, detail=one.foreign.partition(": ")[2], advice="Remove it.")
    if one.head is None:
        advice = "The others are asked meanwhile. Is its URL right, and the node up?"
        return CheckLine(name="node", ok=False, detail=f"{name}{marks}: does not answer", advice=advice)
    at = f"{name}{marks}: block {one.head.number}, told in {one.latency_s * 1e3:.0f} ms"
    if one.off_branch:
        advice = "It is not believed until it is back on the others' branch."
        return CheckLine(name="node", ok=False, detail=f"{at}, another one than most have", advice=advice)
    behind = newest_number - one.head.number
    return CheckLine(name="node", ok=True, detail=at + (f", {behind} behind" if behind > 1 else ""))


async def _simulation(reached: Reached, head: Head) -> CheckLine:
    """Simulate a call of nothing: without simulations nothing is ever sent."""
    nobody = SimulatedCall(ZERO_ADDRESS, ZERO_ADDRESS, b"")
    block = head.next_block(block_time_s=reached.chain.block_time_s)
    try:
        await run(simulate((nobody,), block), Mined(hash=head.hash), reached.world)
    except Unavailable as error:
        advice = "KEEPER_RPC_URLS needs an endpoint that answers eth_simulateV1."
        return CheckLine(name="simulation", ok=False, detail=str(error), advice=advice)
    return CheckLine(name="simulation", ok=True, detail="transactions are simulated in the next block")


async def _stream(settings: Settings) -> list[CheckLine]:
    """Return a line for the event stream, where one is configured."""
    if settings.mev_share_url is None:
        return []
    stream = EventStream(settings.mev_share_url)
    try:
        await stream.connect()
    except Unavailable as error:
        advice = "Nothing is foreseen meanwhile that is not public. Is KEEPER_MEV_SHARE_URL right?"
        return [CheckLine(name="stream", ok=False, detail=str(error), advice=advice)]
    return [CheckLine(name="stream", ok=True, detail=f"{stream} tells of what is not public")]


# --- markets ------------------------------------------------------------------------------------------------


def _markets(settings: Settings) -> Query[list[CheckLine]]:
    protocols = [protocol(market, settings) for market in settings.markets]
    opened = yield from settle([one.open() for one in protocols])
    lines = []
    for one, market in zip(protocols, opened, strict=True):
        if isinstance(market, Broken):
            advice = "Is KEEPER_MARKETS the market's own address, of a revision that this version knows?"
            lines.append(CheckLine(name=one.name, ok=False, detail=str(market), advice=advice))
        else:
            lines.append(CheckLine(name=one.name, ok=True, detail=one.summary(market)))
    return lines


# --- executor, vault and operator ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Named:
    """What an executor and a vault say of themselves; None where they say nothing."""

    operator: Address | None
    vault: Address | None
    wrapped_native: Address | None
    owner: Address | None


def _contracts(settings: Settings, trading: Trading) -> Query[list[CheckLine]]:
    key = signing_key(settings)
    if settings.executor is None or settings.vault is None:
        if not settings.sends:
            return [CheckLine(name="executor", ok=True, detail="none: plans are made on a simulated one")]
        advice = "Run `keeper deploy --owner ADDRESS`, and put the lines it prints into .env."
        return [CheckLine(name="executor", ok=False, detail="none is configured", advice=advice)]
    (executor, vault), named = yield from both(
        accounts((settings.executor, settings.vault)), _named(settings.executor, settings.vault)
    )
    lines = [
        *_executor(settings.executor, executor, named, settings.vault, trading),
        *_vault(settings.vault, vault, named, operator=key.address if key else named.operator),
    ]
    if key is not None:
        (state,) = yield from accounts((key.address,))
        lines += _operator(key.address, state, named, least_wei=settings.min_operator_balance_wei)
    return lines


def _named(executor: Address, vault: Address) -> Query[_Named]:
    asked = [(executor, "operator"), (executor, "vault"), (executor, "wrappedNative"), (vault, "owner")]
    interfaces = {
        executor: interface(contracts.executor().abi),
        vault: interface(contracts.vault().abi),
    }
    calls = [Call(target, interfaces[target].function(name).encode()) for target, name in asked]
    answers = yield from attempt(calls, lambda data: Address(data[12:32]))
    return _Named(*(None if isinstance(a, Reverted) or len(a) != 20 else a for a in answers))


def _executor(
    address: Address, state: AccountState, named: _Named, vault: Address, trading: Trading
) -> Iterator[CheckLine]:
    redeploy = "Check KEEPER_EXECUTOR, or run `keeper deploy`."
    if not contracts.is_executor_code(state.code):
        found = "has no code" if not state.code else "is not the executor of this version"
        yield CheckLine(name="executor", ok=False, detail=f"{checksum(address)} {found}", advice=redeploy)
        return
    yield CheckLine(name="executor", ok=True, detail=f"{checksum(address)}, this version's code")
    if named.vault != vault:
        paid = checksum(named.vault) if named.vault else "nobody"
        yield CheckLine(
            name="executor's vault",
            ok=False,
            detail=f"profit goes to {paid}",
            advice="KEEPER_VAULT must be the vault that the executor was deployed with.",
        )
    if named.wrapped_native != trading.wrapped_native:
        yield CheckLine(
            name="executor's coin",
            ok=False,
            detail="counts its profit in another token than KEEPER_WRAPPED_NATIVE",
            advice=redeploy,
        )


def _vault(
    address: Address, state: AccountState, named: _Named, *, operator: Address | None
) -> Iterator[CheckLine]:
    if not contracts.is_vault_code(state.code) or named.owner is None:
        found = "has no code" if not state.code else "is not the vault of this version"
        yield CheckLine(
            name="vault", ok=False, detail=f"{checksum(address)} {found}", advice="Check KEEPER_VAULT."
        )
        return
    owned = named.owner != operator
    yield CheckLine(
        name="vault",
        ok=owned,
        detail=f"{checksum(address)}, owned by {checksum(named.owner)}",
        advice="" if owned else "The operator must not own the vault: a stolen key would take it.",
    )


def _operator(address: Address, state: AccountState, named: _Named, *, least_wei: int) -> Iterator[CheckLine]:
    if named.operator != address:
        theirs = checksum(named.operator) if named.operator else "nobody"
        yield CheckLine(
            name="operator",
            ok=False,
            detail=f"the executor obeys {theirs}, the key is {checksum(address)}'s",
            advice="Use that operator's key, or deploy an executor for this one.",
        )
        return
    yield CheckLine(name="operator", ok=True, detail=f"{checksum(address)}, whom the executor obeys")
    ok = state.balance_wei >= least_wei
    yield CheckLine(
        name="gas",
        ok=ok,
        detail=f"the operator has {state.balance_wei / 1e18:.4f} of native coin",
        advice=""
        if ok
        else f"Send it some: KEEPER_MIN_OPERATOR_BALANCE_WEI asks for {least_wei / 1e18:.4f}.",
    )


# --- what is carried ----------------------------------------------------------------------------------------


def _carried(settings: Settings) -> Query[list[CheckLine]]:
    """Return a line for each token that may be carried: what the vault's owner lets be spent on it."""
    if settings.vault is None or settings.executor is None:
        return []
    protocols = [protocol(market, settings) for market in settings.markets]
    opened = yield from settle([one.open() for one in protocols if settings.tokens.carried])
    debts = {
        token.address: token
        for one, market in zip(protocols, opened, strict=False)
        if not isinstance(market, Broken)
        for token in one.tokens(market)
    }
    lines = []
    for token in settings.tokens.carried:
        carrier = VaultCarry(vault=settings.vault, executor=settings.executor, tokens=(token,))
        (told,) = yield from settle([carrier.load(sorted(debts))])
        lines.append(_carry(token, told, debts))
    return lines


def _carry(token: Address, told: tuple[Carriage, ...] | Broken, debts: Mapping[Address, Token]) -> CheckLine:
    name = debts[token].symbol if token in debts else checksum(token)
    if isinstance(told, Broken):
        advice = "Is KEEPER_VAULT a vault of this version?"
        return CheckLine(name="carry", ok=False, detail=f"{name}: {told}", advice=advice)
    if not told:
        detail = f"{name}: the vault's owner lets nothing be spent on it"
        return CheckLine(name="carry", ok=False, detail=detail, advice="Sign what `keeper carry` prints.")
    left = (
        f"{TokenAmount(token=debts[one.spent], raw=one.left_raw)} of the vault's "
        f"{TokenAmount(token=debts[one.spent], raw=one.stock_raw)}"
        for one in told
    )
    return CheckLine(name="carry", ok=True, detail=f"{name}: for it may be spent {', '.join(left)}")


# --- what holds the sending back ----------------------------------------------------------------------------


def _sending(settings: Settings, chain: Chain) -> Iterator[CheckLine]:
    """Return whether a brake is on, or the kill file is there. Nothing of that is so before the first run."""
    if not settings.sends:
        return
    if settings.kill_switch.exists():
        detail = f"the kill file {settings.kill_switch} is there: nothing is sent"
        yield CheckLine(name="brakes", ok=False, detail=detail, advice="Remove it to send again.")
        return
    path = settings.journal(chain.chain_id)
    tripped = None
    if path.exists():
        with SqliteJournal.open(path, chain_id=chain.chain_id) as journal:
            tripped = brakes_of(journal, settings.brake_limits(chain)).on(int(time.time()))
    yield CheckLine(
        name="brakes",
        ok=tripped is None,
        detail="none is on" if tripped is None else str(tripped),
        advice="" if tripped is None else "Find out why, then `keeper resume`.",
    )


# --- venue --------------------------------------------------------------------------------------------------


def _venues(trading: Trading) -> Query[list[CheckLine]]:
    """Return a line for the token that profit is counted in, and for each venue and lender."""
    native = Place(kind="wrapped native", addresses=(trading.wrapped_native,))
    told = [
        ("KEEPER_WRAPPED_NATIVE", native),
        *(("KEEPER_VENUES", place) for place in trading.venues if place.addresses),
        *(("KEEPER_LENDERS", place) for place in trading.lenders if place.addresses),
    ]
    addresses = [address for _, place in told for address in place.addresses]
    states = dict(zip(addresses, (yield from accounts(addresses)), strict=True))
    return [_place(variable, place, states) for variable, place in told]


def _place(variable: str, place: Place, states: Mapping[Address, AccountState]) -> CheckLine:
    bare = [checksum(address) for address in place.addresses if not states[address].code]
    whole = ", ".join(map(checksum, place.addresses))
    return CheckLine(
        name=place.kind,
        ok=not bare,
        detail=f"{' and '.join(bare)} has no code" if bare else whole,
        advice=f"Set {variable} to what it is on this chain." if bare else "",
    )
