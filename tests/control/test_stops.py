"""What says who stopped the arms can be taken apart again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.stops import arm_source, is_arm, is_stop, stopped_by, who_asked


@given(st.text(), st.text(min_size=1))
def test_who_asked_is_told_again(source: str, reason: str) -> None:
    told = stopped_by(source, reason)
    assert is_stop(told)
    assert who_asked(told) == (None if is_arm(source) else f"{source}: {reason}")


def test_a_person_s_stop_without_a_reason_ends_with_the_name() -> None:
    assert stopped_by("Ada") == "stopped by Ada"
    assert who_asked("stopped by Ada") == "Ada"


@pytest.mark.parametrize(
    "text",
    ["", "watchdog: no valid chunk for 0.2 s", "Ada", stopped_by(arm_source("left"), "over the table")],
)
def test_what_no_person_asked_for(text: str) -> None:
    assert who_asked(text) is None


def test_an_arm_s_stop_is_one() -> None:
    assert is_stop(stopped_by(arm_source("left"), "over the table"))
    assert is_arm(arm_source("left")) and not is_arm("the recorder")
