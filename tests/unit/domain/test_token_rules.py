from __future__ import annotations

from keeper.domain.address import Address
from keeper.domain.token_rules import ALL_ATOMIC, TokenClass, TokenRules

ONE, TWO, THREE = (Address(bytes([at]) * 20) for at in (1, 2, 3))
NAMED = frozenset({(ONE, TokenClass.NEVER), (TWO, TokenClass.ATOMIC)})


def test_never__nothing_said__none() -> None:
    assert ALL_ATOMIC.never((ONE, TWO)) == frozenset()


def test_never__some_named__those_alone_unless_the_others_are_never_too() -> None:
    assert TokenRules(named=NAMED).never((ONE, TWO, THREE)) == {ONE}
    assert TokenRules(named=NAMED, others=TokenClass.NEVER).never((ONE, TWO, THREE)) == {ONE, THREE}
