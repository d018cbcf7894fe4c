"""What the page shows, from messages to plain data."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.panel.messages import CELL, LOCKSTEP, arm, healthy, motion, policy, report, session
from zprl_core.config.region import RegionConfig, RegionObject
from zprl_core.records import EpisodeRecord
from zprl_core.session.states import State
from zprl_panel.history import LISTED, MOST_POINTS, history
from zprl_panel.latest import MOST_EVENTS, Latest
from zprl_panel.view import view
from zprl_web.pictures import Credits
from zprl_web.session_words import possible_now
from zprl_web.stream import Stream


def test_before_anything_has_come() -> None:
    shown = view(Latest(CELL, 0.0), 1.0, 1.0)
    assert (shown["session"]["word"], shown["session"]["possible"]) == ("Waiting", [])
    assert shown["policy"] is None and shown["learner"] is None
    assert {thing["word"] for thing in shown["devices"]} == {"nothing yet"}
    json.dumps(shown, allow_nan=False)


def test_a_running_episode() -> None:
    latest = healthy(100.0)
    latest.on_policy(policy(), 100.0, 100.0)
    shown = view(latest, 102.5, 1000.0)
    assert shown["session"]["steps"] == 32
    assert shown["session"]["motion_s"] == 2.5
    assert shown["session"]["window_s"] is None
    assert shown["policy"]["distance"] is None  # not a number
    assert shown["disk_gb"] == 100.0
    json.dumps(shown, allow_nan=False)


def test_the_motion_of_the_last_episodes_is_shown_and_says_nothing_of_the_policy() -> None:
    latest = healthy(100.0)
    for message in (motion(1), motion(2), motion(2, scale=2.0), SimpleNamespace(run_id="another")):
        latest.on_motion(message, 100.0)
    newest, before = view(latest, 100.0, 100.0)["motions"]
    assert newest == {
        "which": "2",
        "alarms": [],
        "told": [0.8, 3.8, 50.0, -2.7],
        "did": [0.72, 3.42, 45.0, None],
    }
    assert before["which"] == "1"
    two = Latest(replace(CELL, arms=("left", "right")), 0.0)
    for side in ("left", "right"):
        two.on_motion(motion(1, arm=side), 1.0)
    assert [shown["which"] for shown in view(two, 1.0, 1.0)["motions"]] == ["1 right", "1 left"]


def test_an_alarm_is_an_event_once_and_no_news_to_a_panel_that_came_later() -> None:
    latest = Latest(CELL, 0.0)
    latest.on_motion(motion(3, "measured jerk 90 m/s³, limit 80 m/s³"), 0.0)
    assert not latest.events
    latest.on_session(session(), 1.0, 1.0)
    latest.on_motion(motion(3, "measured jerk 90 m/s³, limit 80 m/s³"), 1.0)
    latest.on_motion(motion(1, "measured jerk 99 m/s³, limit 80 m/s³"), 1.0)
    (event,) = latest.events
    assert (event.kind, event.text) == ("rough", "left, episode 3: measured jerk 90 m/s³, limit 80 m/s³")


def test_the_time_of_motion_leaves_pauses_out_and_starts_anew() -> None:
    latest = healthy(100.0)
    latest.on_session(session("paused"), 103.0, 0.0)
    latest.on_session(session("running"), 110.0, 0.0)
    assert latest.motion_s(111.0) == 4.0
    latest.on_session(session("running", cleared_chunk=5), 112.0, 0.0)
    assert latest.motion_s(112.0) == 5.0
    latest.on_session(session("labelled", outcome="success"), 113.0, 0.0)
    assert latest.motion_s(150.0) == 6.0
    latest.on_session(session("ready", episode=4), 151.0, 0.0)
    assert latest.motion_s(152.0) == 0.0


def test_the_window_counts_down_in_real_time_only() -> None:
    since = SimpleNamespace(sec=1000, nanosec=0)
    for cell, left in ((CELL, 7.0), (LOCKSTEP, None)):
        latest = Latest(cell, 0.0)
        latest.on_session(session("judging", window_s=10.0, since=since), 50.0, 1000.0)
        assert view(latest, 53.0, 1003.0)["session"]["window_s"] == left


def test_the_outcome_and_the_reason_are_said() -> None:
    latest = healthy(100.0)
    latest.on_session(session("labelled", outcome="horizon"), 101.0, 0.0)
    assert view(latest, 101.0, 0.0)["session"]["word"] == "Labelled: horizon"
    latest.on_session(session("stopped", reason="stopped by viewer-2"), 102.0, 0.0)
    assert view(latest, 102.0, 0.0)["session"]["hint"].startswith("stopped by viewer-2; Clear")


def test_another_runs_state_is_not_shown() -> None:
    latest = healthy(100.0)
    latest.on_session(session("faulted", run_id="other"), 101.0, 0.0)
    assert view(latest, 101.0, 0.0)["session"]["state"] == "running"


def test_what_is_possible_is_what_the_session_says() -> None:
    assert possible_now(session("running", possible=["stop", "correct"])) == ["stop", "correct"]


@pytest.mark.parametrize(
    ("state", "possible"),
    [
        ("idle", {"start", "stop", "clear"}),
        ("ready", {"begin", "pause", "stop"}),
        ("running", {"pause", "stop", "abort", "success", "failure"}),
        ("judging", {"stop", "abort", "success", "failure"}),
        ("paused", {"resume", "stop", "abort", "success", "failure"}),
        ("labelled", {"start", "undo", "pause", "stop"}),
        ("faulted", {"stop", "clear"}),
        ("a state of a later version", {"stop"}),
    ],
)
def test_without_a_word_from_the_session_the_state_says_what_is_possible(
    state: str, possible: set[str]
) -> None:
    assert set(possible_now(session(state))) == possible


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_word_for_people(state: State) -> None:
    latest = Latest(CELL, 0.0)
    latest.on_session(session(state.value), 1.0, 1.0)
    assert view(latest, 1.0, 1.0)["session"]["word"] not in ("?", "Waiting")


def test_arms_and_cameras_say_how_they_are() -> None:
    latest = healthy(100.0)
    for k in range(1, 31):
        latest.arms["left"].note(arm(shadow=True), 100.0 + k / 60)
    left, camera = view(latest, 100.6, 0.0)["devices"]
    assert left == {"name": "arm left", "ok": True, "word": "moved by policy, motors off, 60 Hz"}
    assert camera["ok"]
    left, camera = view(latest, 103.0, 0.0)["devices"]
    assert not left["ok"] and not camera["ok"]
    assert camera["word"] == "silent 3 s"


def test_a_stream_is_decoded_once_and_only_if_somebody_looks() -> None:
    decoded: list[bytes] = []

    def decode(raw: bytes) -> str:
        decoded.append(raw)
        return raw.decode()

    stream = Stream(decode)
    stream.note(b"a", 0.0)
    stream.note(b"b", 0.1)
    assert decoded == []
    assert [stream.message, stream.message] == ["b", "b"]
    assert decoded == [b"b"]
    assert stream.rate_hz(0.2) == pytest.approx(10.0)
    assert stream.rate_hz(2.0) == 0.0


def test_safety_events_are_told_newest_first_and_counted() -> None:
    latest = healthy(100.0)
    latest.on_report(report(), 1.0)  # as commanded: no event
    latest.on_report(report(3, reason="a person has the arm"), 1.0)
    latest.on_report(report(reason="linear velocity", clamped_fraction=0.12), 2.0)
    for _ in range(2):
        latest.on_report(report(1, reason="it starts 0.150 m away"), 3.0)
    latest.on_stop(SimpleNamespace(source="left_bridge", reason="external force"), 4.0)
    events = view(latest, 100.0, 5.0)["events"]
    assert [(e["kind"], e["text"], e["count"]) for e in events] == [
        ("stop", "left_bridge: external force", 1),
        ("refused", "left, chunk 3/2: it starts 0.150 m away", 2),
        ("clamped", "left, chunk 3/2: linear velocity (12 % of its servo periods)", 1),
    ]
    for k in range(2 * MOST_EVENTS):
        latest.on_report(report(1, chunk=k, reason="x"), 6.0)
    assert len(view(latest, 100.0, 7.0)["events"]) == MOST_EVENTS


def test_a_guard_is_an_event_when_it_comes() -> None:
    latest = healthy(100.0)
    for guard in ("", "far", "far", "", "far"):
        latest.on_policy(policy(guard=guard), 100.0, 1.0)
    assert [(event.kind, event.count) for event in latest.events] == [("guard", 2)]


def test_the_learners_pace_is_that_of_the_last_seconds() -> None:
    latest = healthy(100.0)
    known = {
        "update_s": 0.01,
        "actor_version": 1,
        "transitions": 5,
        "excluded": 0,
        "temperature": 0.1,
        "q_mean": 0.0,
    }
    for k in range(60):
        latest.on_learner(SimpleNamespace(updates=3 * k, **known), 100.0 + k)
    assert view(latest, 160.0, 0.0)["learner"]["updates_hz"] == pytest.approx(3.0, abs=0.2)
    assert view(latest, 300.0, 0.0)["learner"]["updates_hz"] == 0.0


def record(episode: int, outcome: str, block: str = "train", steps: int = 64) -> EpisodeRecord:
    return EpisodeRecord(
        episode=episode,
        block=block,
        mode="explore",
        layout_seed=0,
        outcome=outcome,
        steps=steps,
        chunks=4,
        start_stamp_ns=0,
        end_stamp_ns=1,
        label_author="operator-1",
    )


def test_history_counts_what_is_not_void() -> None:
    told = history(
        [
            record(0, "success", "base_z"),
            record(1, "void"),
            record(2, "failure", steps=32),
            record(3, "success"),
        ]
    )
    assert [(b["name"], b["successes"], b["trials"], b["steps"]) for b in told["blocks"]] == [
        ("base_z", 1, 1, 64.0),
        ("train", 1, 2, 48.0),
    ]
    assert [(p["episode"], p["rate"]) for p in told["curve"]] == [(0, 1.0), (2, 0.0), (3, 0.5)]
    assert told["curve"][2]["low"] == pytest.approx(0.0945, abs=1e-4)  # Wilson, 1 of 2
    assert [(e["episode"], e["outcome"]) for e in told["episodes"]] == [
        (3, "success"),
        (2, "failure"),
        (1, "void"),
        (0, "success"),
    ]


def test_a_long_history_is_thinned_and_keeps_its_end() -> None:
    told = history([record(k, "success") for k in range(1000)])
    assert len(told["curve"]) <= MOST_POINTS and len(told["lengths"]) <= MOST_POINTS
    assert told["curve"][-1]["episode"] == told["lengths"][-1]["episode"] == 999
    assert len(told["episodes"]) == LISTED
    assert told["curve"][-1]["trials"] == 20


def test_history_of_nothing() -> None:
    assert history([]) == {"blocks": [], "curve": [], "lengths": [], "episodes": []}


def test_pictures_go_to_who_waits_once_each() -> None:
    credits = Credits(("a", "b"))
    assert credits.due("a", 5) == []
    credits.give("page", "a")
    credits.give("page", "a")
    credits.give("page", "no such camera")
    assert credits.due("b", 5) == []
    assert credits.due("a", 5) == ["page"]
    assert credits.due("a", 6) == []  # no credit
    credits.give("page", "a")
    assert credits.due("a", 5) == []  # it has had this one
    assert credits.due("a", 6) == ["page"]
    credits.give("page", "a")
    credits.forget("page")
    assert credits.due("a", 7) == []


def test_where_the_objects_are_to_lie_is_shown_until_the_episode_begins() -> None:
    """A camera that looks straight down on the region, x to the right and y up: the shares are the places."""
    thing = RegionObject(name="orange", x_m=(0.1, 0.1), y_m=(-0.1, -0.1), size_m=(0.2, 0.1))
    region = RegionConfig(size_m=(1.0, 0.5), objects=(thing,))
    square = ((0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0))
    latest = Latest(replace(CELL, region=region, corners={"third_view": square}), 0.0)
    latest.on_session(session("ready", layout_seed=5), 0.0, 0.0)
    border, orange = view(latest, 0.0, 0.0)["session"]["overlay"]["third_view"]
    assert (border["name"], border["points"]) == ("", [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    assert orange["name"] == "orange"
    assert orange["points"] == [[0.5, 0.8], [0.7, 0.8], [0.7, 0.6], [0.5, 0.6]]
    latest.on_session(session("running", layout_seed=5), 1.0, 0.0)
    assert view(latest, 1.0, 0.0)["session"]["overlay"] == {}


@pytest.mark.parametrize(
    ("reset", "hint"),
    [("manual", "then Begin"), ("teleoperated", "with the arms"), ("automatic", "keep clear")],
)
def test_what_is_to_be_done_before_an_episode_depends_on_the_task(reset: str, hint: str) -> None:
    latest = Latest(replace(CELL, reset=reset), 0.0)
    latest.on_session(session("ready"), 0.0, 0.0)
    assert hint in view(latest, 0.0, 0.0)["session"]["hint"]
