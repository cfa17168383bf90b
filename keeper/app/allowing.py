"""`keeper carry`: the transactions by which the vault's owner allows that something is carried, unsigned."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from keeper.abi import uint
from keeper.app.build import Reached, reach
from keeper.app.owning import VAULT, Owners, owner_of, unsigned
from keeper.config import Settings
from keeper.domain.address import ZERO_ADDRESS, Address, checksum
from keeper.domain.errors import Broken, ConfigError
from keeper.domain.fixed_point import WAD
from keeper.domain.head import Head
from keeper.domain.state import Mined
from keeper.erc20 import said
from keeper.protocols.aave_v3 import AaveV3
from keeper.query import Call, read_one, run

_MOST_UINT128 = 2**128 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What the owner is to allow."""

    spent: Address
    carried: Address
    most: Fraction
    """In whole tokens of what is spent; 0 takes back what was allowed."""
    ratio: Fraction
    """The least value that must come, of the value that goes, by the market's oracle."""
    price: Fraction | None
    """How many whole tokens must come for each that goes, where no oracle is to be asked."""


async def carry(settings: Settings, allowance: Allowance) -> Owners:
    """Return what the owner is to sign; it was tried as the owner.

    Raises ConfigError where a token is none, no market's oracle knows what is carried and no price was
    given, or the vault refuses.
    """
    assert settings.vault is not None  # the command needs it
    vault = settings.vault
    async with reach(settings) as reached:
        head = await reached.endpoints.block("latest")
        at = Mined(hash=head.hash)
        owner = await owner_of(vault, reached, head)
        spent, carried = await run(said((allowance.spent, allowance.carried)), at, reached.world)
        if spent.decimals is None or carried.decimals is None:
            raise ConfigError("--spend, --on: expected two tokens that tell their decimals")
        per_raw = Fraction(10) ** (carried.decimals - spent.decimals)
        oracle, asset, how = ZERO_ADDRESS, ZERO_ADDRESS, ""
        least = allowance.price
        if least is None:
            least = allowance.ratio
            if allowance.most:
                oracle, asset = await _priced(settings, reached, head, allowance.carried)
                how = f" of its value, by the oracle {checksum(oracle)}"
        most_raw, least_wad = int(allowance.most * 10**spent.decimals), -(-least * per_raw * WAD // 1)
        if not 0 < least_wad <= _MOST_UINT128 or most_raw > _MOST_UINT128:
            raise ConfigError("--most, --ratio, --price: expected amounts that a token can have")
        calls = []
        if settings.executor is not None and allowance.most:
            asked = read_one(Call(vault, VAULT.function("lendsTo").encode(settings.executor)), uint)
            if not await run(asked, at, reached.world):
                calls.append(VAULT.function("setLendsTo").encode(settings.executor, True))
        terms = (most_raw, least_wad if most_raw else 0, oracle, asset)
        calls.append(VAULT.function("setCarriage").encode(allowance.spent, allowance.carried, *terms))
        transactions = await unsigned(settings, reached, head, owner, calls)
    asks = f"{float(least):.2%}" if oracle != ZERO_ADDRESS else f"{_plain(least)} {carried.symbol} each"
    what = f"{_plain(allowance.most)} {spent.symbol} on {carried.symbol}, for at least {asks}{how}"
    if not most_raw:
        what = f"no more {spent.symbol} on {carried.symbol}"
    return Owners(
        transactions=transactions,
        told=f"lets the vault {checksum(vault)} spend {what}; {checksum(owner)} must sign "
        + ("it" if len(transactions) == 1 else "them, in this order"),
    )


def _plain(value: Fraction) -> str:
    """Return a decimal without zeros at its end: ``2,000,000``, ``0.0003``."""
    whole, point, decimals = f"{float(value):,.18f}".partition(".")
    decimals = decimals[:12].rstrip("0")
    return whole + (point + decimals if decimals else "")


async def _priced(
    settings: Settings, reached: Reached, head: Head, carried: Address
) -> tuple[Address, Address]:
    """Return the oracle that knows what is carried, and as what: of an aToken, what it is redeemed for."""
    for setting in settings.markets:
        if setting.protocol != "aave-v3":
            continue
        one = AaveV3(pool=setting.address, allow_unverified=settings.allow_unverified)
        try:
            market = await run(one.open(), Mined(hash=head.hash), reached.world)
        except Broken as error:
            raise ConfigError(f"KEEPER_MARKETS: {one.name}: {error}") from None
        for reserve in market.reserves.values():
            if carried in (reserve.a_token, reserve.token.address):
                return market.oracle, reserve.token.address
    raise ConfigError(
        f"--on: no market of KEEPER_MARKETS knows {checksum(carried)}, nor its oracle what it is worth; "
        "set the least that must come for each token that is spent with --price"
    )
