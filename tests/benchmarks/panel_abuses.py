"""What people, lines and processes do to the panel in the middle of the work, one function each.

An abuse finds the page of whoever has control in the state that it names, and leaves the
session in any state.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.panel_operator import LABEL_KEYS, Operator
from tests.benchmarks.panel_stage import Stage
from zprl_core.run_folder import RunFolder

SOON_MS = 120
IMPOSSIBLE = {"open": "nbuc", "labelled": "sfabc"}
"""Keys of commands that the page must keep back."""
_CLICK = "document.querySelector('[data-command={}]').click();"
_KEY = "document.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{}', bubbles: true }}));"


@dataclass(frozen=True)
class Abuse:
    """One kind.

    Attributes:
        name: in words.
        state: "open" (an episode without an outcome) or "labelled".
        weight: how often, relative to the others.
        do: commits it; gets the stage and who has control.
    """

    name: str
    state: str
    weight: int
    do: Callable[[Stage, Operator], None]


ABUSES: list[Abuse] = []


def _abuse(name: str, state: str, weight: int) -> Callable[[Callable[[Stage, Operator], None]], None]:
    return lambda do: ABUSES.append(Abuse(name, state, weight, do))


def _soon() -> float:
    return time.time() * 1e3 + SOON_MS


def _wait_soon() -> None:
    time.sleep(2e-3 * SOON_MS)


@_abuse("label: double or triple click", "open", 14)
def _double_click(stage: Stage, desk: Operator) -> None:
    desk.press(stage.label(), clicks=stage.rng.choice((2, 3)))


@_abuse("label: button and key at once", "open", 6)
def _button_and_key(stage: Stage, desk: Operator) -> None:
    label = stage.label()
    desk.at(_soon(), _CLICK.format(label) + _KEY.format(LABEL_KEYS[label]))
    _wait_soon()


@_abuse("success and failure at once, one page", "open", 8)
def _both_labels(stage: Stage, desk: Operator) -> None:
    first = stage.label()
    second = next(label for label in LABEL_KEYS if label != first)
    desk.at(_soon(), _CLICK.format(first) + _CLICK.format(second))
    _wait_soon()


@_abuse("both operators label at the same instant", "open", 8)
def _both_operators(stage: Stage, desk: Operator) -> None:
    at = _soon()
    desk.at(at, _KEY.format("s"))
    stage.other.at(at, _KEY.format("f"))
    _wait_soon()


@_abuse("take-over in mid-episode, the loser labels", "open", 8)
def _take_over(stage: Stage, desk: Operator) -> None:
    other = stage.other
    other.take_seat()
    desk.page.keyboard.press("s")
    desk.answered("take control first")
    other.page.keyboard.press("f")


@_abuse("take-over at the instant of the label", "open", 8)
def _take_over_race(stage: Stage, desk: Operator) -> None:
    other, at = stage.other, _soon()
    over = other.text("seat-text").removesuffix(" has control")
    take = f"window.say({{ type: 'seat', action: 'take', over: '{over}' }});"
    desk.at(at, _KEY.format("s"))
    other.at(at, take)
    other.at(at + stage.rng.choice((5, 20, 60)), _KEY.format("f"))
    _wait_soon()


@_abuse("stop at the instant of the label", "open", 6)
def _stop_race(stage: Stage, desk: Operator) -> None:
    at = _soon()
    desk.at(at + stage.rng.choice((0, 2, 5)), _KEY.format(LABEL_KEYS[stage.label()]))
    stage.other.at(at + stage.rng.choice((0, 2, 5)), _KEY.format("Escape"))
    _wait_soon()


@_abuse("reload in mid-episode", "open", 10)
def _reload(stage: Stage, desk: Operator) -> None:
    desk.reload()
    desk.until(lambda: desk.has_seat, "control came back")


@_abuse("reload at the instant of the label", "open", 8)
def _reload_on_label(stage: Stage, desk: Operator) -> None:
    desk.page.keyboard.press(LABEL_KEYS[stage.label()])
    desk.reload()
    desk.until(lambda: desk.has_seat, "control came back")


@_abuse("panel killed in mid-episode, label while it is gone", "open", 6)
def _kill(stage: Stage, desk: Operator) -> None:
    stage.kill_panel()
    time.sleep(stage.rng.choice((0.0, 0.5, 2.0)))
    desk.page.keyboard.press(LABEL_KEYS[stage.label()])


@_abuse("label, and the panel killed at that instant", "open", 6)
def _kill_on_label(stage: Stage, desk: Operator) -> None:
    desk.at(_soon(), _KEY.format(LABEL_KEYS[stage.label()]))
    time.sleep(1e-3 * (SOON_MS + stage.rng.choice((-2, 2, 5, 10))))
    stage.kill_panel()
    desk.until(lambda: not desk.idle, "the page has noticed")


@_abuse("panel killed after an undo, reload, new label", "labelled", 4)
def _kill_in_undo(stage: Stage, desk: Operator) -> None:
    desk.page.keyboard.press("u")
    desk.until(lambda: desk.word == "Judge", "the label is taken back")
    stage.kill_panel()
    time.sleep(stage.rng.choice((0.0, 2.5)))
    desk.reload()
    stage.settle()
    desk.until(lambda: desk.has_seat, "control came back")
    desk.press(stage.label())


@_abuse("keys that mean nothing, or something else with Ctrl", "open", 8)
def _wrong_keys(stage: Stage, desk: Operator) -> None:
    for key in stage.rng.sample(("x", "q", "7", "Tab", "ArrowDown", "Control+s", "Alt+f", "Shift", "F2"), 4):
        desk.page.keyboard.press(key)


@_abuse("keys that are not possible now", "open", 8)
def _impossible(stage: Stage, desk: Operator) -> None:
    for key in IMPOSSIBLE["open"]:
        desk.page.keyboard.press(key)


@_abuse("keys that are not possible now, after the label", "labelled", 8)
def _impossible_labelled(stage: Stage, desk: Operator) -> None:
    for key in IMPOSSIBLE["labelled"]:
        desk.page.keyboard.press(key)


def _raw(stage: Stage, desk: Operator, name: str, episode: int, **more: str) -> None:
    words = {"id": str(uuid.UUID(int=stage.rng.getrandbits(128))), **more}
    desk.say(type="command", name=name, episode=episode, **words)


def _run_id(stage: Stage) -> str:
    return RunFolder(stage.run).spec.run_id


@_abuse("raw line: label or command for another episode or run", "open", 12)
def _stale(stage: Stage, desk: Operator) -> None:
    now, run, name = desk.episode, _run_id(stage), stage.rng.choice(("success", "failure", "abort", "start"))
    for episode in {max(0, now - 1), max(0, now - 7), now + 1} - {now}:
        _raw(stage, desk, name, episode, run=run)
    _raw(stage, desk, stage.label(), now, run="20200101-000000-00000000")


@_abuse("raw line: what is not possible, past the page", "open", 8)
def _raw_impossible(stage: Stage, desk: Operator) -> None:
    for name in ("undo", "start", "begin", "clear"):
        _raw(stage, desk, name, desk.episode, run=_run_id(stage))
    _raw(stage, desk, "correct", desk.episode, run=_run_id(stage), value="success")


@_abuse("raw line: late label for an episode that has one", "labelled", 8)
def _late(stage: Stage, desk: Operator) -> None:
    for label in LABEL_KEYS:
        _raw(stage, desk, label, desk.episode, run=_run_id(stage))
    _raw(stage, desk, "abort", desk.episode, run=_run_id(stage))


@_abuse("raw line: an id that was used, with another label and episode", "open", 10)
def _used_id(stage: Stage, desk: Operator) -> None:
    stage.drain()
    used = [e for e in stage.entries if e["kind"] == "answer" and e["name"] in LABEL_KEYS and e["accepted"]]
    if used:
        old = stage.rng.choice(used)
        _raw(stage, desk, old["name"], old["episode"], run=_run_id(stage), id=old["id"])
        _raw(stage, desk, stage.label(), desk.episode, run=_run_id(stage), id=old["id"])


@_abuse("raw line: label from a page without control", "open", 6)
def _without_seat(stage: Stage, desk: Operator) -> None:
    _raw(stage, stage.other, stage.label(), desk.episode, run=_run_id(stage))


@_abuse("raw line: not a message", "open", 8)
def _malformed(stage: Stage, desk: Operator) -> None:
    run, now = _run_id(stage), desk.episode
    _raw(stage, desk, "success", now, run=run, id="1")
    _raw(stage, desk, "horizon", now, run=run)
    desk.say(type="command", name="success", id=str(uuid.uuid4()), run=run, episode=str(now))
    garbage = stage.rng.choice(("'{'", "'[1]'", "'x'.repeat(3000)", "new Uint8Array(9)"))
    desk.page.evaluate(f"() => window.say({garbage})")
    desk.until(lambda: desk.idle, "the line is back")


@_abuse("second tab, which presses everything", "open", 8)
def _second_tab(stage: Stage, desk: Operator) -> None:
    tab = desk.context.new_page()
    tab.goto(desk.page.url)
    for key in "sfau":
        tab.keyboard.press(key)
    time.sleep(0.2)
    stage.keep(tab.evaluate("() => window.watched()"))
    tab.close()


@_abuse("viewer labels, starts, and sends a raw label", "open", 4)
def _viewer(stage: Stage, desk: Operator) -> None:
    viewer = stage.viewer()
    for key in "sfn":
        viewer.page.keyboard.press(key)
    _raw(stage, viewer, stage.label(), desk.episode, run=_run_id(stage))
    viewer.until(lambda: viewer.idle, "its line is there")


@_abuse("log-out in mid-episode, a new link, control again", "open", 4)
def _log_out(stage: Stage, desk: Operator) -> None:
    stage.drain()
    desk.page.click("#leave")
    desk.page.wait_for_selector("text=You are not in")
    desk.page.goto(stage.link())
    desk.until(lambda: desk.text("you") != "", "in again")
    desk.take_seat()


@_abuse("copied tab takes the page's place; the old one presses", "open", 6)
def _copied_tab(stage: Stage, desk: Operator) -> None:
    stage.drain()
    with desk.context.expect_page() as opened:
        desk.page.evaluate("() => { window.open(location.href); }")
    tab = opened.value
    desk.until(lambda: "another tab" in desk.text("banners"), "the old page knows")
    desk.page.keyboard.press("s")
    tab.close()
    desk.reload()
    desk.until(lambda: desk.has_seat, "control came back")


@_abuse("undo and another label, each twice", "labelled", 14)
def _relabel(stage: Stage, desk: Operator) -> None:
    desk.press("undo", clicks=2)
    desk.until(lambda: desk.word == "Judge", "the label is taken back")
    desk.press(stage.label(), clicks=2)


@_abuse("undo, then abort", "labelled", 4)
def _undo_abort(stage: Stage, desk: Operator) -> None:
    desk.press("undo")
    desk.until(lambda: desk.word == "Judge", "the label is taken back")
    desk.press("abort", clicks=2)


@_abuse("undo, then take-over; the other one labels", "labelled", 5)
def _undo_take_over(stage: Stage, desk: Operator) -> None:
    other = stage.other
    desk.press("undo")
    other.take_seat()
    other.press(stage.label())


@_abuse("undo, then stop", "labelled", 3)
def _undo_stop(stage: Stage, desk: Operator) -> None:
    desk.press("undo")
    desk.until(lambda: desk.word == "Judge", "the label is taken back")
    stage.other.press("stop")


@_abuse("abort, twice", "open", 6)
def _abort(stage: Stage, desk: Operator) -> None:
    desk.press("abort", clicks=2)


@_abuse("pause, label in the pause", "open", 5)
def _pause_label(stage: Stage, desk: Operator) -> None:
    desk.page.keyboard.press("p")
    stage.settle()
    desk.page.keyboard.press(LABEL_KEYS[stage.label()])


@_abuse("pause and resume, each twice", "open", 5)
def _pause(stage: Stage, desk: Operator) -> None:
    for key in "pprr":
        desk.page.keyboard.press(key)
        time.sleep(0.06)


@_abuse("stop by whoever, twice; clear twice", "open", 6)
def _stop(stage: Stage, desk: Operator) -> None:
    stage.rng.choice(stage.people).press("stop", clicks=2)
    desk.press("clear", clicks=2)


@_abuse("start: double click and key at once", "labelled", 8)
def _start(stage: Stage, desk: Operator) -> None:
    desk.at(_soon(), 2 * _CLICK.format("start") + _KEY.format("n"))
    _wait_soon()


@_abuse("an earlier episode is corrected", "labelled", 12)
def _correct(stage: Stage, desk: Operator) -> None:
    rows = desk.page.locator("#episodes button")
    row = stage.rng.randrange(max(1, min(rows.count(), 12)))
    rows.nth(row).click(click_count=stage.rng.choice((1, 2)))
    if not desk.page.evaluate("() => document.getElementById('ask').open"):
        return
    desk.page.locator("#ask-choices button").nth(stage.rng.randrange(3)).click()
    answer = stage.rng.choice(("Yes", "Yes", "Yes", "No"))
    desk.page.click(f"dialog button:has-text('{answer}')")
