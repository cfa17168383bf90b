from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.search import first_amount

_AMOUNTS = st.integers(min_value=0, max_value=10**30)


@given(least=_AMOUNTS, width=_AMOUNTS, above=st.integers(min_value=-5, max_value=10**30))
def test_first_amount__where_something_begins_to_hold__is_the_first(
    least: int, width: int, above: int
) -> None:
    most, begins = least + width, least + above

    found = first_amount(least, most, lambda amount: amount >= begins)

    assert found == (None if begins > most else max(begins, least))


def test_first_amount__next_to_the_least__is_found_in_a_few_steps() -> None:
    asked: list[int] = []

    def holds(amount: int) -> bool:
        asked.append(amount)
        return amount >= 3

    assert first_amount(1, 10**30, holds) == 3
    assert len(asked) < 6
