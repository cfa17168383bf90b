"""Aave V3: one package, readable alone. `AaveV3` is the market; the rest is how it is done."""
