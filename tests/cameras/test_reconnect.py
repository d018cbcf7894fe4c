"""The waits between attempts to open a lost camera, and when one that hangs is reset."""

from __future__ import annotations

import itertools

from zprl_cameras.reconnect import ResetRule, delays_s


def test_half_a_second_doubled_to_five() -> None:
    assert list(itertools.islice(delays_s(), 6)) == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_reset_is_due_after_two_attempts_in_vain_and_again_only_much_later() -> None:
    rule = ResetRule()
    assert [rule.hangs(t) for t in (5.0, 11.0, 17.0)] == [False, False, True]
    assert not any(rule.hangs(t) for t in (30.0, 40.0, 50.0, 316.9))
    assert rule.hangs(317.0)
    assert not any(rule.hangs(t) for t in (320.0, 330.0, 340.0))


def test_a_frame_or_a_pulled_plug_begins_anew() -> None:
    rule = ResetRule()
    for between in (rule.frame, rule.gone):
        assert not any(rule.hangs(t) for t in (1.0, 2.0))
        between()
    assert [rule.hangs(t) for t in (3.0, 4.0, 5.0)] == [False, False, True]
    rule.gone()  # as it is after its reset
    assert not any(rule.hangs(t) for t in (6.0, 7.0, 8.0))
    rule.frame()
    assert [rule.hangs(t) for t in (9.0, 10.0, 11.0)] == [False, False, True]
