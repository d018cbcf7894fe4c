"""A camera's node alone, with a rig made for the test, and what it says about itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from diagnostic_msgs.msg import DiagnosticStatus

from tests.cameras.devices import numbered
from tests.ros.harness import RIG, Graph, graph
from tests.ros.observer import Observer
from zprl_core.config import CameraConfig, load_rig
from zprl_core.plan import Block

SIZE, VIEW = (96, 160), (64, 128)  # height, width: of the device's pictures, and of the task's
RATE_HZ = 20.0
PATIENCE_S = 30.0


def rig_file(folder: Path, driver: str, device: Path, **more: Any) -> Path:
    """The simulated rig in real time, with another camera."""
    given = {"width": SIZE[1], "height": SIZE[0], "rate_hz": RATE_HZ, **more}
    camera = CameraConfig(name="third_view", driver=driver, device=str(device), **given)
    rig = load_rig(RIG)
    assert rig.simulation is not None
    real_time = replace(rig.simulation, lockstep=False)
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump(replace(rig, cameras=(camera,), simulation=real_time).to_dict()))
    return path


@contextlib.contextmanager
def alone(folder: Path, **environment: str) -> Iterator[Graph]:
    """A graph in which only a camera will run, with more in its environment."""
    with graph(folder / "g", lockstep=False, blocks=(Block("base_c", "base_c", episodes=1),)) as g:
        g.environment.update(environment)
        yield g


@contextlib.contextmanager
def watched(g: Graph, rig: Path, script: Path | None = None) -> Iterator[Observer]:
    """Start the camera, or a script that does, and somebody who looks; at the end it must end well."""
    g.start("camera", script and str(script), rig=str(rig))
    with Observer(g.domain, "image", "depth", "diagnostics") as eyes:
        yield eyes
    codes = g.stop()
    assert codes == {"camera": 0}, f"{codes}\n{g.log('camera')}"


def refused(g: Graph, rig: Path, **parameters: Any) -> str:
    """Start a camera that cannot run: the one line with which it ends."""
    process = g.start("camera", rig=str(rig), **parameters)
    assert process.wait(PATIENCE_S) == 2
    (line,) = [line for line in g.log("camera").splitlines() if line.startswith("error: ")]
    assert "Traceback" not in g.log("camera")
    return line


def pictures(count: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Pictures that differ, none of them black."""
    return [numbered(n, *size) for n in range(1, count + 1)]


def status(eyes: Observer) -> DiagnosticStatus:
    """What the camera said last."""
    seen = eyes.seen["diagnostics"]
    return seen[-1].status[0] if seen else DiagnosticStatus(level=DiagnosticStatus.STALE)


def count(eyes: Observer, key: str) -> int:
    """One of its counters."""
    return int({pair.key: pair.value for pair in status(eyes).values}.get(key, "0"))


def error(eyes: Observer, text: str) -> bool:
    """Whether it complains about this."""
    return bool(status(eyes).level == DiagnosticStatus.ERROR and text in status(eyes).message)
