"""Messages are dealt with in the order in which they were sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zprl_recorder.in_order import InOrder


def test_an_answer_that_arrives_before_what_it_answers_comes_after_it() -> None:
    order = InOrder[str](patience_ns=50)
    order.add(110, 112, "the session's next state")
    assert list(order.take(155)) == []
    order.add(100, 156, "the last report")
    assert list(order.take(159)) == ["the last report"]
    assert list(order.take(160)) == ["the session's next state"]


def test_a_clock_that_is_ahead_holds_nothing_up() -> None:
    order = InOrder[str](patience_ns=50)
    order.add(10**15, 100, "from another machine")
    assert list(order.take(149)) == []
    assert list(order.take(150)) == ["from another machine"]


def test_at_the_end_nothing_is_held() -> None:
    order = InOrder[str](patience_ns=50)
    order.add(20, 21, "b")
    order.add(10, 22, "a")
    assert list(order.take()) == ["a", "b"]


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 50)), max_size=40), st.integers(1, 30))
def test_whatever_takes_no_longer_than_the_patience_comes_in_order_and_once(
    sent: list[tuple[int, int]], every: int
) -> None:
    order = InOrder[tuple[int, int]](patience_ns=50)
    seen: list[tuple[int, int]] = []
    arriving = sorted(((at, at + late, i) for i, (at, late) in enumerate(sent)), key=lambda one: one[1])
    for now in range(0, 1200, every):
        while arriving and arriving[0][1] <= now:
            at, arrived, number = arriving.pop(0)
            order.add(at, arrived, (at, number))
        seen += order.take(now)
    assert [at for at, _ in seen] == sorted(at for at, _ in sent)
    assert sorted(number for _, number in seen) == list(range(len(sent)))
