"""Who builds blocks, and where they take bundles: data, no more. Any other is given by its URL.

Gathered in November 2026 from the builders' own documentation. What is not known of one is not assumed:
an address that is not in the table is taken for a builder that understands ``eth_sendBundle`` and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.head import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """One builder or relay, and what it understands."""

    name: str
    url: str = ""
    """Empty where the operator gave it."""
    takes_private_transactions: bool = False
    """``eth_sendPrivateTransaction``: a single one, kept for some blocks."""
    cancels: bool = False
    """``eth_cancelBundle``."""
    takes_backruns: bool = False
    """``mev_sendBundle``: behind a transaction of which only the hash is known."""
    registered_as: str = ""
    """The name by which those that take backruns pass them on to it; empty where there is none."""


BUILDERS: tuple[Builder, ...] = (
    Builder(
        name="flashbots",
        url="https://relay.flashbots.net",
        takes_private_transactions=True,
        cancels=True,
        takes_backruns=True,
        registered_as="flashbots",
    ),
    Builder(
        name="titan",
        url="https://rpc.titanbuilder.xyz",
        takes_private_transactions=True,
        cancels=True,
        registered_as="Titan",
    ),
    Builder(name="titan-eu", url="https://eu.rpc.titanbuilder.xyz", cancels=True),
    Builder(name="titan-us", url="https://us.rpc.titanbuilder.xyz", cancels=True),
    Builder(name="titan-ap", url="https://ap.rpc.titanbuilder.xyz", cancels=True),
    Builder(name="quasar", url="https://rpc.quasar.win", registered_as="Quasar"),
)

_SIGNATURES: tuple[tuple[str, str], ...] = (
    ("titan", "Titan"),
    ("buildernet", "BuilderNet"),
    ("quasar", "Quasar"),
    ("beaverbuild", "beaverbuild"),
    ("rsync", "rsync-builder"),
    ("flashbots", "Flashbots"),
)
"""What is found in a block's extra data, in lower case, and who writes that."""


def built_by(head: Head) -> str:
    """Return who built a block: a known name, else what its extra data says, else its fee recipient."""
    said = head.extra_data.decode("utf-8", "replace").strip("\0 ")
    lowered = said.lower()
    for spelling, name in _SIGNATURES:
        if spelling in lowered:
            return name
    if said and said.isprintable() and "\ufffd" not in said:
        return said
    return f"0x{head.coinbase.hex()}"
