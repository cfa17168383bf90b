"""Tokens, and amounts that know which token they are of."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An ERC-20 token. `symbol` is for people only; two tokens are equal when their address is."""

    address: Address
    symbol: str
    decimals: int

    @property
    def unit_raw(self) -> int:
        """Return one whole token, in raw units."""
        return int(10**self.decimals)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAmount:
    """So much of one token. Adding two tokens raises; comparing them does too."""

    token: Token
    raw: int

    def __add__(self, other: TokenAmount) -> TokenAmount:
        return TokenAmount(token=self._same(other), raw=self.raw + other.raw)

    def __sub__(self, other: TokenAmount) -> TokenAmount:
        return TokenAmount(token=self._same(other), raw=self.raw - other.raw)

    def __lt__(self, other: TokenAmount) -> bool:
        self._same(other)
        return self.raw < other.raw

    def __le__(self, other: TokenAmount) -> bool:
        self._same(other)
        return self.raw <= other.raw

    def __str__(self) -> str:
        whole = self.raw / self.token.unit_raw
        return f"{whole:,.0f} {self.token.symbol}" if whole >= 10**6 else f"{whole:,.6g} {self.token.symbol}"

    def _same(self, other: TokenAmount) -> Token:
        if self.token != other.token:
            raise TypeError(f"an amount of {self.token.symbol} meets an amount of {other.token.symbol}")
        return self.token
