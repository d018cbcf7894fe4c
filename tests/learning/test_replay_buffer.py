"""The replay buffer: what is learned from, and what no more."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.rl.replay import ReplayBuffer
from zprl_core.rl.transition import Transition


def buffer(size: int) -> ReplayBuffer:
    """Whose transitions have their row as reward."""
    made = ReplayBuffer(np.zeros(1, np.float32), np.ones(1, np.float32), 1)
    for row in range(size):
        assert made.append(transition(row)) == row
    return made


def transition(row: int) -> Transition:
    one = np.zeros(1, np.float32)
    return Transition(0, row, one, one, one, float(row), False, False, one, one)


def rows(made: ReplayBuffer, index: list[int]) -> list[int]:
    return [int(reward) for reward in made.gather(np.array(index, np.int64)).reward]


def test_removed_rows_are_not_gathered() -> None:
    made = buffer(6)
    assert rows(made, [0, 5, 5]) == [0, 5, 5]
    made.remove(3)
    made.remove(2)
    assert len(made) == 4 and rows(made, [0, 1, 2, 3]) == [0, 1, 4, 5]
    assert made.append(transition(6)) == 6
    assert len(made) == 5 and rows(made, [4, 0]) == [6, 0]
    made.remove(6)
    assert len(made) == 4 and rows(made, [3]) == [5]


@given(size=st.integers(1, 40), data=st.data())
def test_indices_are_those_of_what_is_left_whenever_it_was_removed(size: int, data: st.DataObject) -> None:
    removed = data.draw(st.lists(st.integers(0, size - 1), unique=True, max_size=size - 1))
    late = data.draw(st.integers(0, 5))
    made = buffer(size)
    for row in removed:
        made.remove(row)
    for row in range(size, size + late):
        made.append(transition(row))
    left = [row for row in range(size + late) if row not in removed]
    again = ReplayBuffer(np.zeros(1, np.float32), np.ones(1, np.float32), 1)
    again.from_state(made.to_state())
    for each in (made, again):
        assert len(each) == len(left) and rows(each, list(range(len(left)))) == left
