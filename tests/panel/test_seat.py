"""The control seat: one at a time, by explicit steps, and everyone can stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_panel.protocol import COMMANDS, LABELS
from zprl_panel.seat import LAPSE_S, MOTION, RESTORE_S, Seat
from zprl_web.access import OPERATOR, VIEWER
from zprl_web.connection import Person

ANNA = Person("anna/1", "operator-1", OPERATOR, phone=False)
BEN = Person("ben/1", "operator-2", OPERATOR, phone=False)
EVE = Person("eve/1", "viewer-3", VIEWER, phone=False)
PHONE = Person("anna/2", "operator-1", OPERATOR, phone=True)
EVERYTHING = (*LABELS, *COMMANDS)


def taken_by(person: Person) -> Seat:
    seat = Seat(0.0)
    assert seat.take(person).ok
    return seat


def test_a_taken_seat_is_only_taken_over_by_naming_who_has_it() -> None:
    seat = taken_by(ANNA)
    refused = seat.take(BEN)
    assert not refused.ok and "operator-1 has control" in refused.reason
    assert not seat.take(BEN, over="operator-9").ok
    assert seat.held_by(ANNA.page)
    assert seat.take(BEN, over="operator-1").ok
    assert seat.held_by(BEN.page) and not seat.held_by(ANNA.page)


def test_a_viewer_never_gets_it() -> None:
    assert not Seat(0.0).take(EVE).ok
    seat = taken_by(ANNA)
    assert not seat.take(EVE, over="operator-1").ok


def test_only_the_holder_releases_it() -> None:
    seat = taken_by(ANNA)
    assert not seat.release(BEN.page).ok
    assert seat.release(ANNA.page).ok
    assert seat.holder is None


def test_it_lapses_when_its_page_is_gone_for_ten_seconds() -> None:
    seat = taken_by(ANNA)
    assert seat.lapse(1000.0) == ""
    seat.left(BEN.page, 1000.0)
    assert seat.lapse(2000.0) == ""
    seat.left(ANNA.page, 2000.0)
    assert seat.lapse(2000.0 + LAPSE_S - 0.1) == ""
    seat.back(ANNA.page)
    assert seat.lapse(3000.0) == ""
    seat.left(ANNA.page, 3000.0)
    assert seat.lapse(3000.0 + LAPSE_S) == "operator-1"
    assert seat.holder is None


def test_a_server_that_was_just_started_believes_who_had_it() -> None:
    seat = Seat(100.0)
    seat.restore(EVE, 101.0)
    assert seat.holder is None
    seat.restore(ANNA, 100.0 + RESTORE_S)
    assert seat.holder is None
    seat.restore(ANNA, 101.0)
    assert seat.held_by(ANNA.page)
    seat.restore(BEN, 102.0)
    assert seat.held_by(ANNA.page)


def test_a_released_seat_is_not_restored() -> None:
    seat = taken_by(ANNA)
    seat.release(ANNA.page)
    seat.restore(BEN, 1.0)
    assert seat.holder is None


@pytest.mark.parametrize("command", EVERYTHING)
def test_who_may_send_what(command: str) -> None:
    seat = taken_by(ANNA)
    stop = command == "stop"
    assert seat.may(ANNA, command).ok
    assert seat.may(BEN, command).ok is stop
    assert seat.may(EVE, command).ok is stop
    assert seat.may(PHONE, command).ok is stop
    assert taken_by(PHONE).may(PHONE, command).ok is (command not in MOTION)


@given(
    st.lists(
        st.tuples(st.sampled_from(["take", "over", "release", "left", "back", "lapse"]), st.integers(0, 2))
    )
)
def test_there_is_never_more_than_one_holder_nor_a_viewer(steps: list[tuple[str, int]]) -> None:
    seat, now_s = Seat(-100.0), 0.0
    for what, index in steps:
        person = (ANNA, BEN, EVE)[index]
        now_s += 4.0
        before = seat.holder
        if what == "take":
            seat.take(person)
            assert before is None or before == seat.holder  # without naming the holder nobody loses it
        elif what == "over":
            seat.take(person, over=before.name if before else "")
        elif what == "release":
            seat.release(person.page)
        elif what == "left":
            seat.left(person.page, now_s)
        elif what == "back":
            seat.back(person.page)
        else:
            seat.lapse(now_s)
        assert sum(seat.held_by(p.page) for p in (ANNA, BEN, EVE)) == (seat.holder is not None)
        assert seat.holder != EVE
