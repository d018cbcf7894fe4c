"""A person in an emulated Quest 3, through the page, the node and the bridge, to the simulated arm."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from tests.teleop import collection, person
from tests.teleop.collection import Collection, collecting
from tests.teleop.headset import AT, TRIES, Headset, headsets, needed

pytestmark = [needed, pytest.mark.slow]


@pytest.fixture(scope="module")
def headset(cell: Collection) -> Iterator[Headset]:
    with headsets() as browser:
        made = Headset(browser, cell.link)
        made.enter()
        yield made
        assert made.complaints == []


def episode(headset: Headset) -> int:
    return int(headset.text("episode"))


RADIUS_M, TURN_S = 0.03, 2.0


def circle(turns: int) -> list[tuple[float, ...]]:
    """Sideways and up, through where the hand is at first."""
    found: list[tuple[float, ...]] = []
    for i in range(1, round(turns * TURN_S / 0.05) + 1):
        angle = 2.0 * math.pi * 0.05 * i / TURN_S
        found.append(
            (0.05 * i, RADIUS_M * math.sin(angle), RADIUS_M * (1.0 - math.cos(angle)), 0.0, 0.0, 0.1)
        )
    return found


def off_the_circle(positions: np.ndarray) -> tuple[float, float]:
    """How far an arm went off the hand's circle, m, and along it, rad; base y is to the left, z up."""
    x, y, z = (positions - positions[0]).T
    off = np.hypot(np.hypot(y, z - RADIUS_M) - RADIUS_M, x)
    way = np.unwrap(np.arctan2(-y, RADIUS_M - z))
    return float(off.max()), float(way[-1] - way[0])


def test_the_arm_follows_the_hand(headset: Headset, cell: Collection) -> None:
    """Where a machine of two cores stands still for too long the clutch opens, or a corner is cut."""
    seen = []
    for _ in range(TRIES):
        headset.begin()
        number = episode(headset)
        headset.grip()
        headset.walk(circle(2))
        time.sleep(0.5)
        said = headset.text("arms")
        headset.let_go()
        headset.press("left", "x-button")
        headset.until(lambda: "failure" in headset.text("word"), "it is kept")
        headset.begin()  # which finishes the bag
        times, measured, _ = collection.motion(cell.run, number)
        ran = times >= 1e-9 * cell.records[number].start_stamp_ns
        seen.append((*off_the_circle(measured[ran]), said))
        off_m, way_rad, said = seen[-1]
        if off_m < 0.006 and abs(way_rad - 4.0 * math.pi) < 0.3:
            break
    print(seen)
    assert off_m < 0.006 and abs(way_rad - 4.0 * math.pi) < 0.3, seen
    assert "hand to arm" in said and headset.text("round-trip").endswith("ms")


@pytest.mark.parametrize(
    ("strike", "mend", "why"),
    [
        pytest.param("wearer.tracked = false", "wearer.tracked = true", "does not see", id="tracking"),
        pytest.param(f"wearer.place({AT[0]} + 0.3, {AT[1]}, {AT[2]}, 0)", "0", "jumped by", id="jump"),
        pytest.param(
            "wearer.device.updateVisibilityState('visible-blurred')",
            "wearer.device.updateVisibilityState('visible')",
            "shows something else",
            id="blur",
        ),
        pytest.param(
            "(() => { const until = performance.now() + 700; while (performance.now() < until); })()",
            "0",
            "no word from the headset",
            id="silence",
        ),
    ],
)
def test_what_loses_the_hand_opens_the_clutch_and_says_why(
    headset: Headset, cell: Collection, strike: str, mend: str, why: str
) -> None:
    headset.begin()
    for _ in range(TRIES):
        headset.grip()
        headset.run(f"() => {{ const wearer = window.wearer; {strike}; }}")
        if headset.soon(lambda: headset.complains) and why in headset.text("arms"):
            break  # else the page stood still, and was silent, or a leap took as long as a fast hand's way
        headset.run(f"() => {{ const wearer = window.wearer; {mend}; }}")
        headset.let_go()
        headset.run(f"() => window.wearer.place({AT[0]}, {AT[1]}, {AT[2]}, 0)")
    assert why in headset.text("arms")
    headset.run(f"() => {{ const wearer = window.wearer; {mend}; }}")
    time.sleep(0.3)
    assert not headset.follows, "the grip is still pressed, and moves nothing"
    headset.let_go()
    headset.grip()  # again: nothing jumps, which the next test looks at
    time.sleep(0.3)


def test_nothing_jumped_in_all_that(headset: Headset, cell: Collection) -> None:
    headset.begin()  # which finishes the bags
    records = {record.episode: record for record in cell.records}
    assert len(records) > 4
    for index, record in records.items():
        times, _, commanded = collection.motion(cell.run, index)
        ran = times >= 1e-9 * record.start_stamp_ns  # before it the simulated world was laid out anew
        times, commanded = times[ran], commanded[ran]
        steps = np.linalg.norm(np.diff(commanded, axis=0), axis=1)
        assert (steps / np.maximum(np.diff(times), 1e-3)).max() < 1.05, "m/s, the arm's limit is 1"


def test_a_second_page_opens_the_clutch_and_has_to_take_the_hands(headset: Headset, cell: Collection) -> None:
    headset.begin()
    for _ in range(TRIES):
        headset.grip()
        other = Headset(headset.context.browser, cell.link)
        headset.until(lambda: headset.complains, "the clutch opened")
        if "another page was opened" in headset.text("arms"):
            break
        other.context.close()
        headset.let_go()
    assert "another page was opened" in headset.text("arms")
    assert "has the hands" in other.text("seat-text") and "You" not in other.text("seat-text")
    other.page.click("#take")
    other.until(lambda: "You have" in other.text("seat-text"), "it took them")
    headset.until(lambda: "You have" not in headset.text("seat-text"), "and they are gone here")
    other.context.close()
    headset.run("() => document.getElementById('take').click()")
    headset.until(lambda: "You have" in headset.text("seat-text"), "taken back")


def test_the_pictures_and_the_state_hang_in_front_of_the_wearer(headset: Headset, cell: Collection) -> None:
    """Drawn by WebGL, in software."""
    headset.begin()
    other = Headset(headset.context.browser, cell.link, draws=True)
    other.enter()

    def orange() -> bool:
        seen = cv2.imdecode(np.frombuffer(other.page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        blue, green, red = np.moveaxis(np.asarray(seen, np.int64)[200:520, 300:980], 2, 0)
        return bool(((red > 200) & (green > 90) & (green < 190) & (blue < 80)).sum() > 100)

    other.until(orange, "the half is seen")
    assert other.complaints == []
    other.context.close()


def test_a_person_in_the_headset_places_the_orange(headset: Headset, cell: Collection) -> None:
    for _ in range(TRIES):
        layout, number = headset.begin(), episode(headset)
        steps = person.way(layout)
        headset.hold("right", "trigger", steps[0][-1])
        headset.grip()
        headset.walk(steps)
        followed = headset.follows
        headset.let_go()
        if followed:
            break
    assert followed, headset.text("arms")
    headset.press("right", "b-button")
    headset.until(lambda: "success" in headset.text("word"), "it is a success")
    headset.begin()
    assert collection.succeeded(cell.run, number)
    assert cell.records[number].outcome == "success" and cell.records[number].mode == "human"


def test_a_collection_goes_on_and_ends_by_itself(cell: Collection, headset: Headset) -> None:
    """Last: it ends the collection."""
    browser = headset.context.browser
    headset.context.close()
    cell.end()
    before = cell.records
    kept = sum(not record.void for record in before)
    with collecting(cell.run, "--episodes", str(kept + 1)) as again:
        assert [r.to_json() for r in again.records[: len(cell.records)]] == [
            r.to_json() for r in cell.records
        ]
        desk = Headset(browser, again.link)
        for key, word in (("Enter", "Ready"), ("Enter", "Running"), ("2", "Labelled"), ("Enter", "Done")):
            desk.page.keyboard.press(key)
            desk.until(lambda word=word: word in desk.text("word"), word)
        said = again.process.communicate(timeout=60.0)[0]
    assert f"{kept + 1} kept" in said
