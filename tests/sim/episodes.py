# SPDX-License-Identifier: Apache-2.0
"""Running scripted episodes of the twin, for the tests of this folder."""

from __future__ import annotations

from zprl_sim.executor import execute_tick
from zprl_sim.expert import Intent, plan
from zprl_sim.judge import Judge, Verdict
from zprl_sim.layout import Layout
from zprl_sim.rig import SimRig

SETTLE_TICKS = 24


def run(rig: SimRig, layout: int | Layout, intent: Intent) -> Verdict:
    """The verdict on a demonstration, most of a second after its last motion."""
    rig.reset(layout)
    setpoints = plan(rig.layout, intent)
    for setpoint in [*setpoints, *setpoints[-1:] * SETTLE_TICKS]:
        execute_tick(rig, setpoint)
    state = rig.state()
    return Judge()(state.qpos, state.qvel)
