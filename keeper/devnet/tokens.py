"""The devnet's tokens, and how to come by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.devnet.artifact import Artifact
from keeper.devnet.chain import Chain, Contract
from keeper.domain.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSpec:
    """A token as it is at the start. `price_base` is in USD with eight decimals, as Aave's oracle has it."""

    symbol: str
    name: str
    decimals: int
    price_base: int

    def raw(self, usd: float) -> int:
        """Return about so many dollars' worth, in raw units."""
        return int(usd * 1e8 * 10**self.decimals / self.price_base)

    def value_base(self, amount_raw: int, price_base: int) -> int:
        """Return what so much is worth at a price, in US dollars with eight decimals, floored."""
        return amount_raw * price_base // int(10**self.decimals)


TOKENS: Mapping[str, TokenSpec] = {
    spec.symbol: spec
    for spec in (
        TokenSpec(symbol="WETH", name="Wrapped Ether", decimals=18, price_base=3_000_00000000),
        TokenSpec(symbol="WBTC", name="Wrapped BTC", decimals=8, price_base=90_000_00000000),
        TokenSpec(symbol="USDC", name="USD Coin", decimals=6, price_base=1_00000000),
        TokenSpec(symbol="USDT", name="Tether USD", decimals=6, price_base=1_00000000),
        TokenSpec(symbol="wstETH", name="Wrapped staked Ether", decimals=18, price_base=3_660_00000000),
    )
}
"""In the order in which they are listed. USDT returns nothing and refuses to change allowances."""


def deploy_tokens(
    chain: Chain, aave: Mapping[str, Artifact], own: Mapping[str, Artifact], *, market: Address
) -> dict[str, Contract]:
    """Return the tokens by symbol. The market mints them; WETH it wraps."""
    made: dict[str, Contract] = {}
    for spec in TOKENS.values():
        match spec.symbol:
            case "WETH":
                made[spec.symbol] = chain.deploy(aave["WETH9"], sender=market)
            case "USDT":
                made[spec.symbol] = chain.deploy(
                    own["SilentToken"], spec.name, spec.symbol, spec.decimals, sender=market
                )
            case _:
                made[spec.symbol] = chain.deploy(
                    aave["TestnetERC20"], spec.name, spec.symbol, spec.decimals, market, sender=market
                )
    return made


def give(
    tokens: Mapping[str, Contract], symbol: str, amount_raw: int, *, to: Address, market: Address
) -> None:
    """Give an account so much of a token, out of nothing but the market's native coin."""
    token = tokens[symbol]
    if symbol == "WETH":
        token.send("deposit", sender=market, value_wei=amount_raw)
        if to != market:
            token.send("transfer", to, amount_raw, sender=market)
    else:
        token.send("mint", to, amount_raw, sender=market)
