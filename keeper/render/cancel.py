"""What holds a nonce, for a person who is about to cancel it."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from keeper.domain.submission import Purpose, Submission
from keeper.render.figures import borrowers, gwei, short_hash


def cancel_view(
    *, nonce: int, next_nonce: int, holders: tuple[Submission, ...], is_private: bool
) -> RenderableType:
    """Return what was sent with the nonce, and who is shown its cancellation."""
    lines = [_holder(one) for one in holders] or ["nothing of this keeper's journal holds it"]
    if nonce > next_nonce:
        lines.append(f"nonce {next_nonce} comes first: until that is used, this one waits")
    shown = "private endpoints and builders alone" if is_private else "everybody"
    lines.append(f"its cancellation is shown to {shown}")
    return Text(f"nonce {nonce}\n" + "\n".join(f"  {line}" for line in lines))


def _holder(one: Submission) -> str:
    what = (
        "a cancellation"
        if one.purpose is Purpose.CANCELLATION
        else f"a liquidation of {borrowers(one.positions)}"
    )
    return (
        f"{short_hash(one.hash)}, {what}, sent by {' and '.join(one.channels)} upon block "
        f"{one.head_number:,}, at most {gwei(one.fees.max_fee_per_gas_wei)} gwei a gas"
    )
