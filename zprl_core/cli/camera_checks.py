# SPDX-License-Identifier: Apache-2.0
"""What `zprl doctor` sees of a camera: its stream for a while, and its picture against the stored one."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from zprl_core.cli.checks import Finding, Problems, device
from zprl_core.config import CameraConfig
from zprl_core.errors import RigError, ZprlError

if TYPE_CHECKING:
    from zprl_cameras.driver import Frame

FIRST_FRAME_S = 6.0
READ_S = 0.2
WATCH_S = 2.0
LONGEST_WATCH_S = 6.0
SHIFT_PX, SIMILARITY = 2.0, 0.5
LEAST_SHARE, GOOD_SHARE = 0.8, 0.95  # of the rate in the rig
AHEAD_S = -0.005


@dataclass(frozen=True)
class CameraLook:
    """Its line, and 99 % of its pictures are younger than `delay_s` when they come; None: not measured."""

    finding: Finding
    delay_s: float | None = None


@dataclass(frozen=True)
class Seen:
    """A stream that was watched.

    Attributes:
        stamps_s, ages_s: of each frame: when it was taken, and how old it was when it came.
        counts: as `StreamMonitor` counts.
        problem: why frames were refused, the last reason; empty where none was.
        picture: the last good one, RGB uint8 (h, w, 3); None: there was none.
    """

    stamps_s: tuple[float, ...]
    ages_s: tuple[float, ...]
    counts: dict[str, int]
    problem: str
    picture: Any

    def age_s(self, percentile: float) -> float:
        """Of a frame when it comes."""
        return float(np.percentile(self.ages_s, percentile))


def check_camera(
    camera: CameraConfig,
    reference: Path,
    max_age_s: float | None = None,
    save_reference: bool = False,
    watch_s: float = WATCH_S,
    simulated: bool = False,
) -> CameraLook:
    """Open a camera, watch it, compare its picture, and let go of it.

    Args:
        camera: which one.
        reference: where its picture is kept.
        max_age_s: older observations are refused by the task; None: no task is known.
        save_reference: keep its picture of now.
        watch_s: how long to watch, at least.
        simulated: whether the rig is.
    """
    from zprl_cameras.drivers import make_driver

    title = f"camera '{camera.name}': {camera.driver}" + (f" {camera.device}" if camera.device else "")
    if camera.driver == "sim":
        return CameraLook(Finding(True, f"{title}: simulated, opens with the graph"))
    clock, setup = SimpleNamespace(now_ns=time.time_ns), SimpleNamespace(lockstep=False)
    try:
        with contextlib.closing(make_driver(clock, setup, camera, None)) as driver:  # type: ignore[arg-type]
            driver.open()
            seen = _watch(driver, camera, watch_s)
    except RigError as error:
        made = "\nsimulated: the first graph makes pictures there, where there are none"
        advice = str(error) + (made if simulated and camera.driver == "files" else "")
        return CameraLook(Finding(False, f"{title}: cannot be looked at", advice))
    problems = stream_problems(camera, seen, max_age_s)
    details = [_stream_text(camera, seen)]
    if seen.picture is not None:
        try:
            text, problem = _compared(reference, seen.picture, save=save_reference)
            details.append(text)
        except ZprlError as error:
            problem = (False, str(error))
        problems += [problem] if problem else []
    delay_s = seen.age_s(99) if seen.ages_s and not any(ok is False for ok, _ in problems) else None
    return CameraLook(device(title, details, problems), delay_s)


def _watch(driver: Any, camera: CameraConfig, watch_s: float) -> Seen:
    from zprl_cameras.judge import Expected
    from zprl_cameras.monitor import StreamMonitor

    expected = Expected(
        camera.name, camera.height, camera.width, LONGEST_WATCH_S, camera.rate_hz, camera.frozen_frames, True
    )
    monitor, problem, picture = StreamMonitor(expected), "", None
    stamps: list[float] = []
    ages: list[float] = []
    watch_s = max(watch_s, min((camera.frozen_frames + 2) / camera.rate_hz, LONGEST_WATCH_S))
    end_s = time.monotonic() + FIRST_FRAME_S
    while time.monotonic() < end_s:
        frame: Frame | None = driver.read(READ_S)
        if frame is None:
            continue
        now_ns = time.time_ns()
        end_s = end_s if stamps else time.monotonic() + watch_s
        stamps.append(frame.stamp_ns * 1e-9)
        ages.append((now_ns - frame.stamp_ns) * 1e-9)
        refused = monitor.frame(frame, now_ns)
        problem, picture = refused or problem, picture if refused else frame.image
    return Seen(tuple(stamps), tuple(ages), monitor.counts, problem, picture)


def stream_problems(camera: CameraConfig, seen: Seen, max_age_s: float | None) -> Problems:
    """What is wrong with a stream, and what to do."""
    if len(seen.stamps_s) < 2:
        return [(False, f"{len(seen.stamps_s)} frames within {FIRST_FRAME_S:g} s: check its power and cable")]
    problems: Problems = [(False, seen.problem)] if seen.problem else []
    share = _rate_hz(seen) / camera.rate_hz
    if share < GOOD_SHARE:
        slow = f"{_rate_hz(seen):.1f} Hz, the rig says rate_hz: {camera.rate_hz:g}"
        advice = "give it a USB 3 port and cable of its own, a shorter exposure_us, or a lower rate_hz"
        problems.append((False if share < LEAST_SHARE else None, f"{slow}; {advice}"))
    elif seen.counts["dropped"]:
        problems.append((None, f"{seen.counts['dropped']} frames dropped; give it a USB 3 port of its own"))
    if min(seen.ages_s) < AHEAD_S:
        ahead = f"stamps lie {-1e3 * min(seen.ages_s):.0f} ms ahead of this machine's clock"
        problems.append((False, f"{ahead}: was the clock set? Plug the camera in again"))
    if max_age_s is not None and seen.age_s(99) > max_age_s:
        old = f"frames are {seen.age_s(99):.3f} s old when they come, the task permits {max_age_s:g} s"
        problems.append((False, f"{old} (observation.max_age_s): use another port, or a smaller picture"))
    return problems


def _rate_hz(seen: Seen) -> float:
    span_s = seen.stamps_s[-1] - seen.stamps_s[0]
    return (len(seen.stamps_s) - 1) / span_s if span_s > 0.0 else 0.0


def _stream_text(camera: CameraConfig, seen: Seen) -> str:
    if len(seen.stamps_s) < 2:
        return ""
    gaps = np.diff(seen.stamps_s)
    jitter_ms = 1e3 * float(np.percentile(np.abs(gaps - np.median(gaps)), 99))
    ages = f"age {1e3 * seen.age_s(50):.0f} / {1e3 * seen.age_s(99):.0f} ms (p50 / p99)"
    stream = f"{camera.height}x{camera.width} at {_rate_hz(seen):.1f} Hz, jitter {jitter_ms:.1f} ms"
    return f"{stream}, {ages}, {seen.counts['dropped']} dropped"


def _compared(reference: Path, picture: Any, *, save: bool) -> tuple[str, tuple[bool | None, str] | None]:
    """The detail about the stored picture, and what is wrong. Stores this one where that is asked for."""
    import cv2

    from zprl_cameras.reference import compare

    if save:
        _write(reference, picture)
        return f"reference picture stored: {reference}", None
    if not reference.is_file():
        return "", (None, "no reference picture, so a bump goes unseen: store one with --save-reference")
    stored = cv2.imread(str(reference), cv2.IMREAD_COLOR)
    if stored is None:
        return "", (False, f"{reference}: is no picture; store it again with --save-reference")
    found = compare(np.ascontiguousarray(stored[..., ::-1]), picture)
    text = f"moved {found.shift_px:.1f} px from its reference picture, similarity {found.similarity:.2f}"
    if found.similarity < SIMILARITY:
        change = f"another picture (similarity {found.similarity:.2f}, the same from {SIMILARITY:g} on)"
    elif found.shift_px > SHIFT_PX:
        change = (
            f"bumped: {found.down_px:+.1f} px down, {found.right_px:+.1f} px right, allowed {SHIFT_PX:g} px"
        )
    else:
        return text, None
    return text, (False, f"{change}. Turn it back until this is gone; if it stays there: --save-reference")


def _write(reference: Path, picture: Any) -> None:
    import cv2

    beside = reference.with_name(f".{reference.name}")
    whole, png = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    try:
        reference.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(png.tobytes())
        beside.replace(reference)
    except OSError as error:
        raise RigError(
            f"{reference}: cannot be written: {error.strerror}; make its folder writable"
        ) from error
    assert whole
