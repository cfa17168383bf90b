"""Which endpoint is asked first."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.head import Head
from keeper.domain.role import Role
from keeper.domain.secret import Secret
from keeper.node.endpoint import Endpoint
from keeper.node.standing import Standing, in_order, outvoted

NOW_S = 1_000.0


def head(number: int, *, branch: int = 0, timestamp_s: int = 0) -> Head:
    return Head(
        number=number,
        hash=Hash32(bytes([number, branch]) * 16),
        parent=Hash32(bytes(32)),
        timestamp_s=timestamp_s,
        base_fee_wei=0,
        gas_used=0,
        gas_limit=0,
        coinbase=Address(bytes(20)),
    )


def standing(name: str, **fields: Any) -> Standing:
    return Standing(Endpoint(Secret(f"http://{name}", shown=name)), **fields)


def order(*standings: Standing, oldest_s: float | None = None, **options: Any) -> str:
    found = in_order(standings, **{"only": lambda _: True, "now_s": NOW_S, "oldest_s": oldest_s} | options)
    return "".join(str(one.endpoint) for one in found)


def test_in_order__all_alike__as_the_operator_wrote_them() -> None:
    assert order(standing("a"), standing("b", head=head(5)), standing("c", latency_s=0.09)) == "abc"


def test_in_order__behind__after_those_that_are_not_but_one_block_is_no_lag() -> None:
    assert (
        order(standing("a", head=head(5)), standing("b", head=head(8)), standing("c", head=head(7))) == "bca"
    )


def test_in_order__slow__after_the_quick_by_classes() -> None:
    assert (
        order(standing("a", latency_s=0.9), standing("b", latency_s=0.25), standing("c", latency_s=0.2))
        == "bca"
    )


def test_in_order__resting__only_where_nobody_else_is() -> None:
    tired, sooner = standing("a", rests_until_s=NOW_S + 2), standing("b", rests_until_s=NOW_S + 1)
    assert order(tired, sooner, standing("c")) == "c"
    assert order(tired, sooner) == "ba"


def test_in_order__throttled__not_even_where_nobody_else_is() -> None:
    one = standing("a")
    one.throttled(NOW_S, 7.0)
    assert (order(one), order(one, now_s=NOW_S + 7)) == ("", "a")


def test_in_order__of_another_chain__never() -> None:
    assert order(standing("a", foreign="on chain 10"), standing("b")) == "b"


def test_in_order__old_or_off_branch__not_believed_as_long_as_another_is() -> None:
    old = standing("a", head=head(1, timestamp_s=10))
    lost = standing("b", head=head(9, timestamp_s=99), off_branch=True)
    assert order(old, lost, standing("c", head=head(9, timestamp_s=99)), oldest_s=50) == "c"
    assert order(old, oldest_s=50) == "a"


def test_in_order__not_allowed__left_out() -> None:
    private = Standing(Endpoint(Secret("http://p", shown="p"), roles=[Role.PRIVATE]))
    assert order(standing("a"), private, only=lambda endpoint: endpoint.is_private) == "p"


def test_standing__fails_again_and_again__rests_longer_and_never_longer_than_half_a_minute() -> None:
    one = standing("a")
    rests_s = []
    for _ in range(12):
        one.failed(NOW_S)
        rests_s.append(one.rests_until_s - NOW_S)
    assert rests_s[:3] == [0.5, 1.0, 2.0]
    assert max(rests_s) == 30.0
    one.answered()
    assert (one.failures, one.rests_until_s) == (0, 0.0)


@pytest.mark.parametrize(
    ("branches", "expected"),
    [
        ((0, 0, 1), (False, False, True)),
        ((0, 1), (False, False)),
        ((0, None, None), (False, False, False)),
        ((0, 1, 2), (False, False, False)),
        ((0, 1, 1, None), (True, False, False, False)),
        ((), ()),
    ],
)
def test_outvoted__answers_about_one_height__those_that_most_contradict(
    branches: tuple[int | None, ...], expected: tuple[bool, ...]
) -> None:
    told = [None if branch is None else head(1, branch=branch) for branch in branches]
    assert tuple(outvoted(told)) == expected
