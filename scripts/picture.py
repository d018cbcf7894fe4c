"""Draws docs/images/robot.png: the simulated cell in four moments of a demonstration without flaws."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from zprl_sim.executor import execute_tick
from zprl_sim.expert import Intent, plan
from zprl_sim.layout import draw_layout
from zprl_sim.render import Renderer
from zprl_sim.rig import SimRig

SEED, TICKS, SIZE = 4, (20, 60, 95, 145), (300, 400)


def main() -> None:
    """Draw it."""
    rig, renderer, frames = SimRig(), Renderer(*SIZE), []
    layout = draw_layout(SEED)
    rig.reset(layout)
    for tick, setpoint in enumerate(plan(layout, Intent())):
        execute_tick(rig, setpoint)
        if tick in TICKS:
            frames.append(renderer(rig.state().qpos, "side"))
    path = Path(__file__).parents[1] / "docs" / "images" / "robot.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.hstack(frames)[:, :, ::-1])


if __name__ == "__main__":
    main()
