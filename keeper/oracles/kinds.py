"""Which adapters there are: by what getters each is known, and by which rule it computes."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.oracles import rules
from keeper.oracles.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How much of another token one token stands for: asked of a contract that the adapter names."""

    contract: str
    """The getter that names it; where it names none, the rate is 1."""
    function: str
    sample: str | None
    """The getter that tells how much is asked for; None for a whole one of 18 decimals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of adapter: who answers to all of its getters is taken for one."""

    name: str
    parts: tuple[str, ...] = ()
    """The getters that name what it is computed from, in its rule's order."""
    optional: bool = False
    """Whether a part that is the zero address counts as 1."""
    constants: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    """Getters that are asked again at each head."""
    rates: tuple[Rate, ...] = ()
    rule: Rule

    @property
    def getters(self) -> tuple[str, ...]:
        """Return all getters by which it is known."""
        named = (name for one in self.rates for name in (one.contract, one.sample) if name)
        return (*self.parts, *self.constants, *self.own, *named)


_FEEDS = ("BASE_FEED_1", "BASE_FEED_2", "QUOTE_FEED_1", "QUOTE_FEED_2")

KINDS = (
    Kind(
        name="capped ratio",
        parts=("BASE_TO_USD_AGGREGATOR",),
        constants=("RATIO_DECIMALS",),
        own=("getRatio", "getSnapshotRatio", "getSnapshotTimestamp", "getMaxRatioGrowthPerSecond"),
        rule=rules.capped_ratio,
    ),
    Kind(
        name="capped by a base",
        parts=("ASSET_TO_USD_AGGREGATOR", "BASE_TO_USD_AGGREGATOR"),
        constants=("RATIO_DECIMALS",),
        own=("getPriceCapRatio",),
        rule=rules.capped_by_base,
    ),
    Kind(name="capped", parts=("ASSET_TO_USD_AGGREGATOR",), own=("getPriceCap",), rule=rules.capped),
    Kind(
        name="discounted",
        parts=("ASSET_TO_USD_AGGREGATOR",),
        constants=("PERCENTAGE_FACTOR",),
        own=("getCurrentDiscount",),
        rule=rules.discounted,
    ),
    Kind(
        name="peg to base",
        parts=("ASSET_TO_PEG", "PEG_TO_BASE"),
        constants=("DECIMALS", "DENOMINATOR"),
        rule=rules.peg_to_base,
    ),
    Kind(
        name="base to peg",
        parts=("ASSET_TO_PEG", "BASE_TO_PEG"),
        constants=("DECIMALS",),
        rule=rules.base_to_peg,
    ),
    Kind(
        name="wrapped staked ether",
        parts=("ETH_TO_BASE",),
        rates=(Rate(contract="STETH", function="getPooledEthByShares", sample=None),),
        rule=rules.wrapped,
    ),
    Kind(
        name="Morpho's oracle",
        parts=_FEEDS,
        optional=True,
        constants=("SCALE_FACTOR",),
        rates=(
            Rate(contract="BASE_VAULT", function="convertToAssets", sample="BASE_VAULT_CONVERSION_SAMPLE"),
            Rate(contract="QUOTE_VAULT", function="convertToAssets", sample="QUOTE_VAULT_CONVERSION_SAMPLE"),
        ),
        rule=rules.morpho,
    ),
    Kind(
        name="Morpho's first oracle",
        parts=_FEEDS,
        optional=True,
        constants=("SCALE_FACTOR",),
        rates=(Rate(contract="VAULT", function="convertToAssets", sample="VAULT_CONVERSION_SAMPLE"),),
        rule=rules.morpho_v1,
    ),
    Kind(
        name="the rate of staked ether",
        rates=(Rate(contract="ST_ETH", function="getPooledEthByShares", sample=None),),
        rule=rules.rate,
    ),
)
"""The first one that fits is taken."""
