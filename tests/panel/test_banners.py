"""Whatever is lost is said within two seconds, and in simulated time silence is no loss."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.panel.messages import CELL, LOCKSTEP, arm, healthy, motion, policy, session
from zprl_panel.banners import ERROR, START_S, WARNING, banners
from zprl_panel.latest import Latest


def said(latest: Latest, now_s: float) -> dict[str, str]:
    return {banner.key: banner.text for banner in banners(latest, now_s)}


def test_a_healthy_graph_has_none() -> None:
    assert said(healthy(100.0), 100.9) == {}


def test_what_is_silent_is_named_within_two_seconds() -> None:
    found = said(healthy(100.0), 102.0)
    assert found == {
        "lease": "The session is silent for 2 s. The arms hold. Start it again with --resume",
        "arm left": "Arm 'left' is silent for 2 s",
        "camera third_view": "Camera 'third_view' is silent for 2 s",
    }


def test_in_simulated_time_nothing_is_stale() -> None:
    assert said(healthy(100.0, LOCKSTEP), 500.0) == {}


def test_a_stream_that_never_came_is_missed_once_the_session_has_begun() -> None:
    latest = Latest(CELL, 0.0)
    latest.on_session(session("idle"), 1.0, 1.0)
    assert "arm left" not in said(latest, 5.0)
    latest.on_session(session("resetting"), 6.0, 6.0)
    assert said(latest, 7.0)["arm left"] == "Nothing has come from arm 'left'"


@pytest.mark.parametrize("cell", [CELL, LOCKSTEP])
def test_a_node_that_died_is_named_in_either_time(cell: object) -> None:
    latest = healthy(100.0, cell)
    latest.on_names({"/session_node"})
    assert said(latest, 100.5)["node /policy_node"] == "policy_node is gone; its log says why"


def test_a_node_has_time_to_come_up() -> None:
    latest = Latest(CELL, 0.0)
    latest.on_names({"/session_node"})
    assert "node /policy_node" not in said(latest, START_S)
    assert said(latest, START_S + 1.0)["node /policy_node"].startswith("policy_node has not come up")


def test_a_node_that_does_not_answer_is_a_warning() -> None:
    latest = healthy(100.0)
    latest.nodes["/policy_node"].asked_s = 97.0
    (banner,) = banners(latest, 100.0)
    assert (banner.level, banner.text) == (WARNING, "policy_node has not answered for 3 s")


def test_faults_come_with_their_words_and_errors_come_first() -> None:
    latest = healthy(100.0)
    latest.on_policy(policy(guard="mahalanobis 1.3, allowed 1.2", lambda_scale=0.5), 100.0, 100.0)
    latest.arms["left"].note(arm(fault="watchdog: no valid chunk for 0.2 s"), 100.0)
    found = banners(latest, 100.5)
    assert [banner.level for banner in found] == [ERROR, WARNING]
    assert found[0].text == "Arm 'left' holds: watchdog: no valid chunk for 0.2 s"
    assert found[1].text == "Guard: mahalanobis 1.3, allowed 1.2. lambda is at 50%"


def test_a_policy_that_held_is_no_news_once_it_does_not_drive() -> None:
    latest = healthy(100.0)
    latest.on_policy(policy(held="image too old"), 100.0, 100.0)
    assert said(latest, 100.5)["held"] == "The policy holds: image too old"
    latest.on_session(session("labelled", outcome="success"), 100.6, 100.6)
    assert "held" not in said(latest, 100.7)


@pytest.mark.parametrize(
    ("level", "shown"), [(b"\x00", None), (b"\x01", WARNING), (b"\x02", ERROR), (2, ERROR)]
)
def test_what_a_device_says_of_itself(level: object, shown: str | None) -> None:
    latest = healthy(100.0)
    status = SimpleNamespace(name="camera third_view", level=level, message="no frame for 3 s")
    latest.on_diagnostics(SimpleNamespace(status=[status]), 100.0)
    assert [banner.level for banner in banners(latest, 100.5)] == ([shown] if shown else [])


@pytest.mark.parametrize(("free", "level"), [(6e9, None), (4e9, WARNING), (0.5e9, ERROR)])
def test_a_disk_that_fills_up(free: float, level: str | None) -> None:
    latest = healthy(100.0)
    latest.disk_free = int(free)
    assert [banner.level for banner in banners(latest, 100.5)] == ([level] if level else [])


def test_another_runs_lease_is_not_ours() -> None:
    latest = healthy(100.0)
    latest.on_lease(SimpleNamespace(frame_id="other"), 101.9)
    assert "lease" in said(latest, 102.0)


def test_a_rough_episode_is_said_until_the_next_one() -> None:
    latest = healthy(100.0)
    latest.on_motion(motion(3, "commanded speed 0.9 m/s, limit 0.8 m/s", "measured jerk 90 m/s³"), 100.0)
    (banner,) = banners(latest, 100.0)
    assert (banner.key, banner.level) == ("rough left", WARNING)
    assert banner.text == (
        "Arm 'left' moved roughly in episode 3: commanded speed 0.9 m/s, limit 0.8 m/s; measured jerk 90 m/s³"
    )
    latest.on_motion(motion(4), 101.0)
    assert said(latest, 100.0) == {}
