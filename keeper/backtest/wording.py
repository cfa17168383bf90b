"""Questions in the words of whoever runs the keeper: for what a tape does not tell."""

from __future__ import annotations

from typing import assert_never

from keeper.backtest.past import Execute, Headers, Question, ReadBy, Transactions, Words
from keeper.domain.address import Address, checksum
from keeper.query import Account, Ancestors, Ask, Balance, Call, LogRange, Logs, Simulate

REMEDY = (
    "replay it from the block and with the settings that it was recorded with (markets, executor, venues, "
    "latency, bids), or record it anew with --record"
)


def of_a_state(ask: Ask) -> str:
    """Return what is asked of one state."""
    match ask:
        case Call(to=to, data=data):
            return f"what {checksum(to)} answers to 0x{data[:4].hex()}"
        case Logs(emitters=emitters):
            return f"what {_contracts(len(emitters))} logged"
        case LogRange(emitters=emitters, first=first, last=last):
            return f"what {_contracts(len(emitters))} logged in blocks {first} to {last}"
        case Ancestors(numbers=numbers):
            return f"the hashes of blocks {min(numbers)} to {max(numbers)}"
        case Account(address=address):
            return f"the nonce and the code of {checksum(address)}"
        case Balance(address=address):
            return f"how much {checksum(address)} has for gas"
        case Simulate(calls=calls, block=block):
            return f"what becomes of {len(calls)} transactions in block {block.number}"
        case _:
            assert_never(ask)


def of_the_past(question: Question) -> str:
    """Return what is asked of the past besides."""
    match question:
        case Headers(first=first, last=last):
            return f"block {first}" if first == last else f"blocks {first} to {last}"
        case Transactions(number=number):
            return f"which transactions were in block {number}"
        case Words(slots=slots):
            return f"what stood in {len(slots)} words of {_contracts(len({one.contract for one in slots}))}"
        case ReadBy(calls=calls):
            return f"which words {_contracts(len({Address(to) for to, _ in calls}))} read"
        case Execute(number=number, own=own):
            return f"what becomes of {len(own)} of the keeper's transactions in block {number}"
        case _:
            assert_never(question)


def _contracts(count: int) -> str:
    return "one contract" if count == 1 else f"{count} contracts"
