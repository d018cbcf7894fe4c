"""A person without a headset moves the arm from the same page: by keys, by the mouse, by a gamepad."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.teleop import collection
from tests.teleop.collection import Collection
from tests.teleop.headset import TRIES, Headset, headsets, needed

pytestmark = [needed, pytest.mark.slow]
HELD_S = 0.8
GAMEPAD = """
const button = () => ({ pressed: false, value: 0 });
window.pad = { connected: true, axes: [0, 0, 0, 0], buttons: Array.from({ length: 17 }, button) };
navigator.getGamepads = () => [window.pad];
"""
FAST = """
window.requestAnimationFrame = (then) => setTimeout(() => then(performance.now()), 2);
const send = WebSocket.prototype.send;
window.told = 0;
WebSocket.prototype.send = function (data) {
  if (String(data).includes('"type":"hands"')) window.told += 1;
  return send.call(this, data);
};
"""
PRESS = "([index, value]) => Object.assign(window.pad.buttons[index], { pressed: value > 0, value })"


@pytest.fixture(scope="module")
def desk(cell: Collection) -> Iterator[Headset]:
    """The page without a headset on."""
    with headsets() as browser:
        made = Headset(browser, cell.link, init_script=GAMEPAD)
        yield made
        assert made.complaints == []


def run(desk: Headset, go: Callable[[], None]) -> int:
    """An episode begins; its number. go: presses what begins and starts."""
    desk.clear()
    go()
    desk.until(lambda: "Ready" in desk.text("word"), "the scene is laid out")
    go()
    desk.until(lambda: "Running" in desk.text("word"), "it runs")
    return int(desk.text("episode"))


def moved(desk: Headset, cell: Collection, go: Callable[[], None], act: Callable[[], None]) -> np.ndarray:
    """How far an episode's arm went, base frame, m (3,), while the hand did what it did."""
    for _ in range(TRIES):
        number = run(desk, go)
        act()
        followed = not desk.complains and desk.text("word") == "Running"
        time.sleep(0.5)
        if desk.text("word") == "Running":
            desk.page.keyboard.press("2")  # kept all the same
            desk.until(lambda: "Running" not in desk.text("word"), "it is over")
        if followed:
            break
    assert followed, desk.text("arms")
    run(desk, lambda: desk.page.keyboard.press("Enter"))  # which finishes the bag
    desk.page.keyboard.press("2")
    desk.until(lambda: "Running" not in desk.text("word"), "it is over")
    times, measured, _ = collection.motion(cell.run, number)
    ran = times >= 1e-9 * cell.records[number].start_stamp_ns
    return np.asarray(measured[ran][-1] - measured[ran][0])


def by_keys(desk: Headset) -> Callable[[], None]:
    return lambda: desk.page.keyboard.press("Enter")


def close(desk: Headset) -> None:
    """Wait until the hand moves the arm, or the page says why not."""
    assert desk.soon(lambda: desk.follows or desk.complains), desk.text("arms")


def hold_space(desk: Headset) -> None:
    """Until the hand moves the arm: where the machine stands still meanwhile, it is pressed again."""
    for _ in range(TRIES):
        desk.page.keyboard.down(" ")
        close(desk)
        if desk.follows:
            return
        desk.page.keyboard.up(" ")
        desk.until(lambda: not desk.complains, "the hand is told again")
    raise AssertionError(desk.text("arms"))


def test_keys_move_the_arm_while_space_is_held(desk: Headset, cell: Collection) -> None:
    keyboard = desk.page.keyboard

    def act() -> None:
        keyboard.down("a")
        time.sleep(HELD_S)  # the clutch is open
        keyboard.up("a")
        keyboard.down(" ")
        close(desk)
        for key in "ea":  # up, and to the left
            keyboard.down(key)
            time.sleep(HELD_S)
            keyboard.up(key)
        time.sleep(0.3)
        keyboard.up(" ")

    x, y, z = moved(desk, cell, by_keys(desk), act)
    assert abs(x) < 0.01 and 0.05 < y < 0.16 and 0.05 < z < 0.16, (x, y, z)


def test_the_mouse_moves_the_arm_over_the_table(desk: Headset, cell: Collection) -> None:
    box = desk.page.locator("#pad").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 720, "it is seen without scrolling"
    at_x, at_y = box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"]

    def act() -> None:
        desk.page.mouse.move(at_x, at_y)
        desk.page.mouse.down()
        close(desk)
        desk.page.mouse.move(at_x + 60, at_y, steps=30)  # to the right
        for _ in range(10):
            desk.page.mouse.wheel(0, -100)  # up
            time.sleep(0.03)
        time.sleep(0.3)
        desk.page.mouse.up()

    x, y, z = moved(desk, cell, by_keys(desk), act)
    assert abs(x) < 0.01 and abs(y + 0.06) < 0.01 and abs(z - 0.04) < 0.01, (x, y, z)


def test_a_gamepad_starts_moves_and_keeps(desk: Headset, cell: Collection) -> None:
    def press(index: int) -> None:
        for value in (1, 0):
            desk.run(PRESS, [index, value])
            desk.seen()

    def act() -> None:
        desk.run(PRESS, [5, 1])  # the right shoulder
        close(desk)
        desk.run("() => { window.pad.axes[1] = -1; }")  # the left stick, away from the person
        time.sleep(HELD_S)
        desk.run("() => { window.pad.axes[1] = 0; }")
        time.sleep(0.3)
        desk.run(PRESS, [5, 0])

    x, y, z = moved(desk, cell, lambda: press(0), act)
    assert 0.05 < x < 0.16 and abs(y) < 0.01 and abs(z) < 0.01, (x, y, z)
    number = run(desk, lambda: press(0))
    press(1)
    desk.until(lambda: "success" in desk.text("word"), "it is a success")
    assert cell.records[number].outcome == "success"


def test_a_page_that_loses_the_keyboard_lets_go(desk: Headset, cell: Collection) -> None:
    run(desk, by_keys(desk))
    hold_space(desk)
    desk.run("() => window.dispatchEvent(new Event('blur'))")
    desk.until(lambda: not desk.follows, "the arm holds")
    assert "not looked at" in desk.text("arms")
    desk.page.keyboard.up(" ")  # which is heard: somebody is back
    desk.until(lambda: "not looked at" not in desk.text("arms"), "the hand is told again")
    hold_space(desk)
    desk.page.keyboard.up(" ")


def test_keys_are_let_go_whatever_is_beside_them_and_escape_stops_from_a_field(
    desk: Headset, cell: Collection
) -> None:
    keyboard = desk.page.keyboard
    if desk.text("word") in ("Running", "Judge"):
        keyboard.press("2")
        desk.until(lambda: "Labelled" in desk.text("word"), "the last episode is over")
    run(desk, by_keys(desk))
    for beside in ("Control", "Alt", "Meta"):
        hold_space(desk)
        keyboard.down(beside)
        keyboard.up(" ")
        keyboard.up(beside)
        desk.until(lambda: not desk.follows, f"the arm holds after {beside}")
    hold_space(desk)
    desk.page.focus("#yaw")
    desk.until(lambda: not desk.follows, "the arm holds while something is typed")
    keyboard.up(" ")
    keyboard.press("Escape")
    desk.until(lambda: desk.text("word") == "Stopped", "it is stopped")


def test_the_page_shows_the_settings_that_are_used_whoever_set_them(desk: Headset, cell: Collection) -> None:
    shown = "() => [scale.value, document.getElementById('scale-text').textContent, yaw.value, "
    shown += "document.querySelector('[data-lock=z]').checked, scale.disabled]"
    change = (
        "([id, value]) => Object.assign(document.querySelector(id), value).dispatchEvent(new Event('change'))"
    )
    for what in (["#scale", {"value": 0.3}], ["#yaw", {"value": 180}], ["[data-lock=z]", {"checked": True}]):
        desk.run(change, what)
    used = ["0.3", "0.3", "180", True, False]
    try:
        desk.page.reload()
        desk.until(lambda: desk.run(shown) == used, "the page that is opened again shows them")
    finally:
        for what in (
            ["#scale", {"value": 1}],
            ["#yaw", {"value": 0}],
            ["[data-lock=z]", {"checked": False}],
        ):
            desk.run(change, what)
    time.sleep(1.2)
    desk.until(lambda: desk.run(shown) == ["1", "1.0", "0", False, False], "and those of now")


def test_a_screen_of_500_hz_keeps_its_page(desk: Headset, cell: Collection) -> None:
    """The server listens 150 times a second, and closes what says more."""
    assert desk.context.browser is not None
    page = Headset(desk.context.browser, cell.link, init_script=FAST)
    page.page.click("#take")
    page.until(lambda: page.text("seat-text") == "You have the hands", "the hands are taken")
    before, seconds = page.run("() => window.told"), 6.0
    time.sleep(seconds)
    rate_hz = (page.run("() => window.told") - before) / seconds
    assert 40.0 < rate_hz < 150.0, rate_hz
    assert page.text("seat-text") == "You have the hands" and page.complaints == []
    page.context.close()
