"""A person at the page, in a real browser: nothing is lost, doubled or given to the wrong episode."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.panel.bench import Bench, Running, record, running
from tests.panel.chrome import DESK, PHONE, Desk, chromium, needed
from tests.panel.messages import motion
from zprl_core.records import append_record

pytestmark = needed
SMALLEST_TARGET = 64


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as made:
        yield made


def outcomes(panel: Running) -> list[tuple[int, str]]:
    """The lines of episodes.jsonl."""
    lines = panel.bench.records.read_text().splitlines() if panel.bench.records.exists() else []
    return [(line["episode"], line["outcome"]) for line in map(json.loads, lines)]


def started(desk: Desk) -> Desk:
    desk.take_control()
    desk.press("start")
    desk.press("begin")
    desk.until(lambda: desk.text("word") == "Running", "the episode runs")
    return desk


def test_episodes_with_double_clicks_count_once_each(browser: Browser, panel: Running) -> None:
    desk = Desk(browser, panel.link)
    desk.take_control()
    for outcome in ("success", "failure", "success"):
        desk.press("start", clicks=2)
        desk.press("begin", clicks=2)
        desk.press(outcome, clicks=2)
        desk.until(lambda outcome=outcome: desk.text("word") == f"Labelled: {outcome}", "the label is there")
    assert outcomes(panel) == [(0, "success"), (1, "failure"), (2, "success")]
    assert [command.name for command in panel.bench.asked] == [
        name for outcome in ("success", "failure", "success") for name in ("start", "begin", outcome)
    ]
    desk.until(lambda: desk.text("rate-text").startswith("train, last 3: 67 %"), "the chart says the rate")
    assert desk.complaints == []


def test_keys_and_a_pedal(browser: Browser, panel: Running) -> None:
    desk = Desk(browser, panel.link)
    desk.page.keyboard.press("n")
    desk.answered("take control first")
    desk.take_control()
    for key, word in (("n", "Ready"), ("b", "Running"), ("PageDown", "Labelled: success"), ("u", "Judge")):
        desk.page.keyboard.press(key)
        desk.until(lambda word=word: desk.text("word") == word, f"{key} leads to {word}")
    desk.page.keyboard.press("PageUp")
    desk.until(lambda: desk.text("word") == "Labelled: failure", "the pedal's other side")
    desk.page.click("#keys")
    desk.page.keyboard.press("n")
    time.sleep(0.3)
    assert desk.text("word") == "Labelled: failure"
    desk.page.focus("[data-command=start]")
    desk.page.keyboard.press(" ")  # stops, and does not press what has the focus
    desk.until(lambda: desk.text("word") == "Stopped", "space stops")
    time.sleep(0.3)
    assert panel.bench.session.view.reason == "stopped by operator-1"
    assert panel.bench.asked[-1].name == "stop"


def test_a_reload_in_mid_episode_keeps_control_and_the_unanswered_label(
    browser: Browser, panel: Running
) -> None:
    desk = started(Desk(browser, panel.link))
    panel.bench.deaf = True
    desk.press("success")
    desk.answered("waiting for the session")
    time.sleep(0.8)
    desk.page.keyboard.press("s")  # no double click any more, and still the same command
    desk.page.reload()
    desk.until(lambda: desk.text("seat-text") == "You have control", "control came back")
    panel.bench.deaf = False
    desk.until(lambda: desk.text("word") == "Labelled: success", "the label arrived after all")
    time.sleep(0.5)
    assert outcomes(panel) == [(0, "success")]
    assert [command.name for command in panel.bench.asked] == ["start", "begin", "success"]


def test_a_lost_answer_is_asked_for_again_and_counts_once(browser: Browser, panel: Running) -> None:
    desk = started(Desk(browser, panel.link))
    panel.bench.mute = True
    desk.press("failure")
    desk.answered("has not answered")
    assert outcomes(panel) == [(0, "failure")]
    panel.bench.mute = False
    desk.answered("failure (episode 0): accepted")
    time.sleep(1.5)
    assert outcomes(panel) == [(0, "failure")]
    labels = [command for command in panel.bench.asked if command.name == "failure"]
    assert len(labels) > 1 and len({command.id for command in labels}) == 1


def test_a_motion_that_nobody_answered_is_not_started_later(browser: Browser, panel: Running) -> None:
    desk = Desk(browser, panel.link)
    desk.take_control()
    panel.bench.deaf = True
    desk.press("start")
    desk.answered("not done")
    panel.bench.deaf = False
    time.sleep(1.5)
    assert panel.bench.session.view.state == "idle"


def test_a_restarted_server_gets_the_label_that_was_pressed_meanwhile(
    browser: Browser, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "episodes.jsonl")
    with running(tmp_path, bench) as first:
        port = first.port
        desk = started(Desk(browser, first.link))
        bench.deaf = True
        desk.press("success")
        desk.answered("waiting for the session")
    began = time.monotonic()
    desk.until(lambda: "server is silent" in desk.text("banners"), "the banner")
    assert time.monotonic() - began < 2.0
    assert not desk.can("pause") and desk.can("stop")
    bench.deaf = False
    with running(tmp_path, bench, port=port):
        desk.until(lambda: desk.text("word") == "Labelled: success", "the label arrived")
        desk.until(lambda: "silent" not in desk.text("banners"), "the banner is gone")
        assert desk.text("seat-text") == "You have control"
    assert [line["outcome"] for line in map(json.loads, bench.records.read_text().splitlines())] == [
        "success"
    ]


def test_a_label_pressed_while_the_line_is_down_is_sent_when_it_is_back(
    browser: Browser, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "episodes.jsonl")
    with running(tmp_path, bench) as first:
        port = first.port
        desk = started(Desk(browser, first.link))
    desk.until(lambda: not desk.can("pause"), "the page has noticed")
    desk.page.keyboard.press("f")
    desk.answered("not sent yet, the line is bad")
    with running(tmp_path, bench, port=port):
        desk.until(lambda: desk.text("word") == "Labelled: failure", "the label arrived")
    assert [line["outcome"] for line in map(json.loads, bench.records.read_text().splitlines())] == [
        "failure"
    ]


def test_two_operators(browser: Browser, panel: Running) -> None:
    anna = started(Desk(browser, panel.link))
    ben = Desk(browser, panel.link)
    ben.until(lambda: ben.text("seat-text") == "operator-1 has control", "who has control")
    assert not ben.can("success") and ben.can("stop")
    ben.page.click("#seat-button")
    ben.page.click("dialog button:has-text('Cancel')")
    time.sleep(0.3)
    assert anna.text("seat-text") == "You have control"
    ben.page.click("#seat-button")
    ben.page.click("dialog button:has-text('Take over')")
    anna.until(lambda: anna.text("seat-text") == "operator-2 has control", "the seat is lost")
    assert not anna.can("success")
    anna.page.keyboard.press("s")
    anna.answered("take control first")
    ben.press("success")
    ben.until(lambda: ben.text("word") == "Labelled: success", "the label")
    assert outcomes(panel) == [(0, "success")]
    anna.press("stop")
    ben.until(lambda: ben.text("word") == "Stopped", "anyone can stop")


def test_a_late_label_is_refused_and_the_page_says_why(browser: Browser, panel: Running) -> None:
    desk = started(Desk(browser, panel.link))
    panel.bench.unseen = True
    panel.bench.session.label("judge-1", 0, -1, "failure", "somebody else", time.time_ns())
    panel.bench.settle()
    desk.press("success")
    desk.answered("refused. ")
    assert outcomes(panel) == [(0, "failure")]


def test_an_episode_is_corrected_in_two_steps(browser: Browser, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "episodes.jsonl")
    with running(tmp_path, bench) as panel:
        desk = started(Desk(browser, panel.link))
        desk.press("failure")
        desk.press("start")
        desk.until(lambda: desk.text("word") == "Ready" and "✗ failure" in desk.text("episodes"), "the list")
        desk.page.click("[aria-label='Correct episode 0']")
        desk.page.click("dialog button:has-text('success')")
        desk.page.click("dialog button:has-text('No')")
        time.sleep(0.3)
        assert outcomes(panel) == [(0, "failure")]
        desk.page.click("[aria-label='Correct episode 0']")
        desk.page.click("dialog button:has-text('success')")
        desk.page.click("dialog button:has-text('Yes')")
        desk.answered("Episode 0 to success: accepted")
        assert outcomes(panel) == [(0, "failure"), (0, "success")]


def test_live_pictures(browser: Browser, panel: Running) -> None:
    desk = Desk(browser, panel.link)
    count = "() => [...document.querySelectorAll('canvas')].map(c => Number(c.dataset.pictures ?? 0))"
    desk.until(lambda: min(desk.page.evaluate(count), default=0) > 5, "both cameras run")
    assert (
        desk.page.evaluate(
            "() => document.querySelector('canvas').getContext('2d').getImageData(160, 10, 1, 1).data[1]"
        )
        > 20
    )


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["1280x720", "phone"])
def test_everything_fits_and_is_large_enough(
    browser: Browser, tmp_path: Path, screen: dict[str, Any]
) -> None:
    bench = Bench(tmp_path / "episodes.jsonl")
    append_record(bench.records, record(0, "success"))
    with running(tmp_path, bench) as panel:
        desk = Desk(browser, panel.link, **screen)
        desk.until(lambda: "✓ success" in desk.text("episodes"), "the list")
        boxes = desk.page.evaluate(
            "() => [...document.querySelectorAll('button')].filter(b => b.offsetParent !== null)"
            ".map(b => [b.textContent, b.getBoundingClientRect().width, b.getBoundingClientRect().height])"
        )
        assert len(boxes) > 10
        assert [box for box in boxes if min(box[1:]) < SMALLEST_TARGET] == []
        width = screen["viewport"]["width"]
        assert desk.page.evaluate("() => document.documentElement.scrollWidth") <= width
        inside = (
            "c => document.querySelector(`[data-command=${c}]`).getBoundingClientRect().bottom <= innerHeight"
        )
        for command in ("success", "failure", "start", "begin", "pause", "stop"):
            assert desk.page.evaluate(inside, command), command


def test_the_motion_of_the_last_episodes_is_on_the_screen(browser: Browser, panel: Running) -> None:
    """Without scrolling, the newest first, and what was beyond a limit with a sign, not only a colour."""
    latest = panel.bench.latest
    for number in range(12):
        alarms = ["measured acceleration 5.4 m/s² (95th percentile), limit 5 m/s²"] * (number == 11)
        message = motion(number, *alarms, arm="arm", scale=1.0 + 0.1 * number)
        message.run_id = latest.cell.run_id
        panel.loop.call_soon_threadsafe(latest.on_motion, message, time.time())
    desk = Desk(browser, panel.link)
    desk.until(lambda: desk.page.locator("#motions tr").count() == 12, "the table")
    first, second = (desk.page.locator("#motions tr").nth(index) for index in (0, 1))
    assert first.locator("td").all_text_contents() == [
        "▲ 11", "0.84 / 0.76", "4.0 / 3.6", "53 / 47", "-2.70 / –"
    ]  # fmt: skip
    assert second.locator("td").first.text_content() == "10"
    desk.until(lambda: "moved roughly in episode 11" in desk.text("banners"), "the banner")
    bottom = desk.page.evaluate("() => document.querySelector('#motion').getBoundingClientRect().bottom")
    assert bottom <= 720
    shown = desk.page.evaluate(
        "() => [...document.querySelectorAll('#motions tr')].filter(row => row.getBoundingClientRect().bottom"
        " <= document.querySelector('#motion .scroll').getBoundingClientRect().bottom).length"
    )
    assert shown >= 2
    assert desk.page.evaluate("() => document.documentElement.scrollWidth") <= 1280
    assert desk.complaints == []


def test_a_screen_reader_finds_names_for_everything(browser: Browser, panel: Running) -> None:
    desk = Desk(browser, panel.link)
    tree = desk.page.locator("body").aria_snapshot()
    for words in (
        'button "Success S"',
        'button "STOP Space"',
        'button "Take control"',
        'heading "Idle" [level=1]',
        'img "Live picture of camera wrist"',
        "alert",
        "status",
    ):
        assert words in tree, tree
    assert desk.page.evaluate("() => document.documentElement.lang") == "en"
    unnamed = "() => [...document.querySelectorAll('button')].filter(b => !b.textContent.trim()).length"
    assert desk.page.evaluate(unnamed) == 0


def test_logging_out_closes_the_door(browser: Browser, panel: Running) -> None:
    desk = Desk(browser, panel.link)
    desk.page.click("#leave")
    desk.page.wait_for_selector("text=You are not in")
    assert desk.page.goto(panel.url).status == 401  # type: ignore[union-attr]


def test_the_layout_is_drawn_over_the_picture_until_the_episode_begins(
    browser: Browser, panel: Running
) -> None:
    desk = Desk(browser, panel.link)
    desk.take_control()
    desk.press("start")
    desk.until(lambda: desk.page.locator("#cameras svg polygon.object").count() == 1, "the outline is there")
    drawn = desk.page.locator("#cameras .camera").first
    assert drawn.locator("svg text").text_content() == "orange half"
    assert "Layout: orange half" in desk.text("hint")
    picture, outline = drawn.bounding_box(), drawn.locator("polygon.object").bounding_box()
    assert picture is not None and outline is not None
    assert picture["x"] < outline["x"] and outline["x"] + outline["width"] < picture["x"] + picture["width"]
    assert picture["y"] < outline["y"] and outline["y"] + outline["height"] < picture["y"] + picture["height"]
    desk.press("begin")
    desk.until(lambda: desk.page.locator("#cameras svg polygon").count() == 0, "it goes with the episode")
    assert desk.complaints == []


def test_a_label_for_a_moving_arm_that_nobody_answered_is_given_up(browser: Browser, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "episodes.jsonl")
    with running(tmp_path, bench) as first:
        port = first.port
        desk = started(Desk(browser, first.link))
    desk.until(lambda: not desk.can("pause"), "the page has noticed")
    desk.page.keyboard.press("s")
    desk.answered("not sent yet, the line is bad")
    desk.answered("not done. nobody answered")
    with running(tmp_path, bench, port=port):
        desk.until(lambda: desk.can("pause"), "the line is back")
        time.sleep(1.0)
        assert bench.session.view.state == "running" and "success" not in [c.name for c in bench.asked]
        desk.press("failure")
        desk.until(lambda: desk.text("word") == "Labelled: failure", "it is pressed again")


DEAF = """
window.deaf = false;
const Real = window.WebSocket;
window.WebSocket = class extends Real {
  set onmessage(heard) { super.onmessage = (event) => window.deaf || heard(event); }
};
"""


def test_a_stop_goes_out_on_a_line_that_nothing_is_heard_on(browser: Browser, panel: Running) -> None:
    """Pictures may clog the way to the page, and the way back be free; a label waits to be seen."""
    desk = started(Desk(browser, panel.link, DEAF))
    desk.page.evaluate("window.deaf = true")
    time.sleep(2.0)
    asked = len(panel.bench.asked)
    desk.page.keyboard.press("s")
    desk.answered("not sent yet, the line is bad")
    desk.page.keyboard.press("Escape")
    desk.until(lambda: panel.bench.session.view.state == "stopped", "the session has heard it", 2.0)
    assert [command.name for command in panel.bench.asked[asked:]] == ["stop"]
    desk.answered("sent, waiting for the session")
    desk.page.evaluate("window.deaf = false")
    desk.until(lambda: desk.text("word") == "Stopped", "the page sees it")
