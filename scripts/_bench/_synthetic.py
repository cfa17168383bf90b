"""A synthetic Aave V3.7 market of a stated shape: what the benchmarks of screening and of memory look at.

30 reserves of 6, 8 or 18 decimals and a cent to $100,000; one e-mode over ten of them, which a fifth of the
accounts are in. An account has 2 to 6 entries, 2.9 on average, worth $10 to $1,000,000, and a health of 1.05
to 3; one in 2,000 has a health within 3e-4 of 1, and of those every other one is below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from keeper.domain.position import PositionId
    from keeper.protocols.aave_v3.state import Market, Row
    from keeper.watcher import Book

SHAPE = "2.9 entries over 30 reserves, 0.05 % within 3e-4 of health 1"
NOW_S = 1_800_000_012
_STORED_S = 1_800_000_000
_RESERVES = 30
_E_MODE = 1
_ENTRIES, _OFTEN = (2, 3, 4, 5, 6), (45, 30, 15, 6, 4)
_NEAR_ONE = 2_000
_BAND = 3e-4
_PAGE = 20_000
_POOL = bytes(19) + b"\x01"


class Account(NamedTuple):
    """An account as the plain loop wants it: nothing but numbers."""

    e_mode: int
    collaterals: tuple[tuple[int, int], ...]
    debts: tuple[tuple[int, int], ...]


@cache
def market() -> Market:
    """Return the market."""
    from keeper.domain.address import Address
    from keeper.domain.fixed_point import RAY
    from keeper.domain.token import Token
    from keeper.protocols.aave_v3.state import Configuration, EMode, Market, Reserve

    random = Random(3)
    reserves = {}
    for id_ in range(_RESERVES):
        decimals = random.choice([6, 8, 18])
        reserves[id_] = Reserve(
            id=id_,
            token=Token(address=Address(bytes([1, id_]) * 10), symbol=f"T{id_}", decimals=decimals),
            a_token=Address(bytes([2, id_]) * 10),
            debt_token=Address(bytes([3, id_]) * 10),
            configuration=Configuration(
                ltv_bps=7_000,
                liquidation_threshold_bps=random.randrange(6_500, 8_600),
                liquidation_bonus_bps=10_500,
                decimals=decimals,
                active=True,
                paused=False,
                protocol_fee_bps=1_000,
            ),
            liquidity_index_ray=RAY + random.randrange(RAY // 5),
            liquidity_rate_ray=RAY // 50,
            debt_index_ray=RAY + random.randrange(RAY // 3),
            debt_rate_ray=RAY // 25,
            updated_at_s=_STORED_S,
            grace_until_s=0,
            cash_raw=2**100,
            price_base=int(10 ** random.uniform(6, 13)),
            priced=True,
            fault=None,
        )
    e_mode = EMode(
        id=_E_MODE,
        ltv_bps=9_000,
        liquidation_threshold_bps=9_300,
        liquidation_bonus_bps=10_100,
        collateral_bitmap=2**10 - 1,
        ltv_zero_bitmap=0,
    )
    return Market(
        revision=11,
        provider=Address(bytes([4]) * 20),
        configurator=Address(bytes([5]) * 20),
        oracle=Address(bytes([6]) * 20),
        sentinel=None,
        sentinel_allows=True,
        reserves=reserves,
        e_modes={_E_MODE: e_mode},
    )


def accounts(count: int) -> Iterator[tuple[PositionId, Account]]:
    """Yield so many accounts, always the same."""
    from keeper.domain.address import Address
    from keeper.domain.position import PositionId
    from keeper.protocols.aave_v3 import AaveV3, revision_11

    name = AaveV3(pool=Address(_POOL)).name
    random, held = Random(5), market()
    owed_per_base = {}
    for id_, reserve in held.reserves.items():
        indices = revision_11.accrue(reserve, at_s=NOW_S)
        per_base = reserve.unit_raw / reserve.price_base * 1e27
        owed_per_base[id_] = (per_base / indices.liquidity_ray, per_base / indices.debt_ray)
    for number in range(count):
        (width,) = random.choices(_ENTRIES, _OFTEN)
        ids = random.sample(range(_RESERVES), width)
        has = ids[: random.randint(1, width - 1)]
        e_mode = _E_MODE if random.random() < 0.2 else 0
        near = number % _NEAR_ONE == 7
        health = random.uniform(1 - _BAND, 1 + _BAND) if near else random.uniform(1.05, 3)
        value = 10 ** random.uniform(9, 14) / len(has)
        may_owe = sum(value * held.threshold_bps(held.reserves[id_], e_mode) for id_ in has) / 10_000
        owes = may_owe / health / (width - len(has))
        yield (
            PositionId(name, Address(number.to_bytes(20))),
            Account(
                e_mode,
                tuple((id_, int(value * owed_per_base[id_][0])) for id_ in has),
                tuple((id_, int(owes * owed_per_base[id_][1])) for id_ in ids[len(has) :]),
            ),
        )


@cache
def book(count: int) -> Book[Market, Row]:
    """Return a book of the first so many accounts, at a head whose time is `NOW_S`."""
    from keeper.domain.address import Address, Hash32
    from keeper.domain.head import Head
    from keeper.protocols.aave_v3 import AaveV3
    from keeper.watcher import Book
    from keeper.watcher.book import Change
    from keeper.watcher.chain import Chain

    head = Head(
        number=1,
        hash=Hash32(bytes(32)),
        parent=Hash32(bytes(32)),
        timestamp_s=NOW_S,
        base_fee_wei=10**9,
        gas_used=0,
        gas_limit=30_000_000,
        coinbase=Address(bytes(20)),
    )
    found = Book(AaveV3(pool=Address(_POOL)), first_block=0)
    left = accounts(count)
    while page := dict(islice(left, _PAGE)):
        rows = {position: as_row(account) for position, account in page.items()}
        found.apply(Change(head=head, market=market(), rows=rows, chain=Chain(depth=1)))
    return found


def as_row(account: Account) -> Row:
    """Return an account as the keeper has it."""
    from keeper.protocols.aave_v3.state import Row, Scaled

    return Row(
        e_mode=account.e_mode,
        collaterals=tuple(Scaled(*one) for one in account.collaterals),
        debts=tuple(Scaled(*one) for one in account.debts),
    )


def plain_loop(held: Mapping[PositionId, Account], *, market: Market, at_s: int) -> dict[PositionId, int]:
    """Return the health of each account below 1: exact ints, account by account, nothing computed twice.

    It is as quick as plain Python gets: indices, thresholds and units are looked up once for all. It is right
    for revisions 10 and 11.
    """
    from keeper.protocols.aave_v3 import revision_11

    ray, wad = 10**27, 10**18
    has: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    owes: dict[int, tuple[int, int, int]] = {}
    for id_, reserve in market.reserves.items():
        indices = revision_11.accrue(reserve, at_s=at_s)
        owes[id_] = (indices.debt_ray, reserve.price_base, reserve.unit_raw)
        for e_mode in (0, *market.e_modes):
            threshold_bps = market.threshold_bps(reserve, e_mode)
            has[e_mode, id_] = (indices.liquidity_ray, reserve.price_base, reserve.unit_raw, threshold_bps)
    below = {}
    for position, (e_mode, collaterals, debts) in held.items():
        weighted = owed = 0
        for id_, scaled in collaterals:
            index, price, unit, threshold_bps = has[e_mode, id_]
            weighted += scaled * index // ray * price // unit * threshold_bps
        for id_, scaled in debts:
            index, price, unit = owes[id_]
            owed -= -(-scaled * index // ray) * -price // unit
        if weighted < owed * 10_000:
            below[position] = (weighted * wad + owed // 2) // owed // 10_000
    return below
