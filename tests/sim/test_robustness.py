# SPDX-License-Identifier: Apache-2.0
"""The robustness cases of the simulated scene: from the seed alone, and each what its name says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.config import CaseConfig, SimulatedCase, load_task
from zprl_core.errors import RigError
from zprl_sim import dimensions as dim
from zprl_sim import world
from zprl_sim.executor import execute_tick
from zprl_sim.expert import Intent, plan
from zprl_sim.judge import Judge, Outcome
from zprl_sim.layout import LAYOUT_ROOM, Layout, draw_layout
from zprl_sim.render import Renderer, projection
from zprl_sim.rig import SimRig
from zprl_sim.scene import USUAL, Scene
from zprl_sim.xarm_box.twin import TwinPlant

CASES = {case.name: case for case in load_task("place_orange_demo").evaluation.cases}
seeds = st.integers(0, 2**63 - 1)


def demonstrate(rig: SimRig, layout: Layout, aimed_at: Layout) -> Outcome:
    """The expert without flaws grasps where it believes the half; what the judge says then."""
    rig.reset(layout)
    for goal in [*(setpoints := plan(aimed_at, Intent())), *[setpoints[-1]] * 15]:
        execute_tick(rig, goal)
    state = rig.state()
    return Judge()(state.qpos, state.qvel, layout.scene).outcome


@given(seeds, st.sampled_from(sorted(CASES)))
def test_a_case_is_its_seeds_and_changes_what_it_says(seed: int, name: str) -> None:
    usual, staged = draw_layout(seed), draw_layout(seed, CASES[name])
    assert staged == draw_layout(seed, CASES[name])
    changed = {
        "human_disturbance": {"push": staged.push},
        "model_orange": {"scene": Scene(radius=0.029, colour=(0.95, 0.33, 0.05))},
        "shifted_tray": {"scene": staged.scene, "half_xy": staged.half_xy},
        "distractors": {"scene": staged.scene},
    }[name]
    assert staged == replace(usual, **changed) != usual  # type: ignore[arg-type]
    assert Scene.from_text(staged.scene.to_text()) == staged.scene
    assert "\n" not in staged.describe()


@given(seeds)
def test_a_push_goes_to_another_place_of_the_tray(seed: int) -> None:
    layout = draw_layout(seed, CASES["human_disturbance"])
    assert layout.push is not None
    assert 0.03 <= math.dist(layout.half_xy, layout.push.to_xy) <= 0.06
    assert np.all(np.abs(np.subtract(layout.push.to_xy, dim.TRAY_CENTRE)) <= np.array(LAYOUT_ROOM) + 1e-12)


@given(seeds)
def test_a_shifted_half_is_where_it_never_is_in_training_and_the_tray_with_it(seed: int) -> None:
    layout = draw_layout(seed, CASES["shifted_tray"])
    out = np.abs(np.subtract(layout.half_xy, dim.TRAY_CENTRE)) - LAYOUT_ROOM
    assert sorted(out > 0.0) == [False, True] and out.max() == pytest.approx(0.02)
    on_tray = np.abs(np.subtract(layout.half_xy, layout.scene.tray_centre))
    assert np.all(on_tray <= np.array(LAYOUT_ROOM) + 1e-12)


@given(seeds)
@settings(deadline=None)
def test_distractors_are_in_the_picture_and_in_nobodys_way(seed: int) -> None:
    things = draw_layout(seed, CASES["distractors"]).scene.distractors
    assert len(things) == 4
    camera = projection("third_view", 64, 128)
    for index, thing in enumerate(things):
        u, v, w = camera @ (*thing.xy, thing.height / 2, 1.0)
        assert 0 < u / w < 128 and 0 < v / w < 64
        assert math.dist(thing.xy, dim.JUICER_CENTRE) > dim.JUICER_RADIUS + thing.half_width
        beside = np.abs(np.subtract(thing.xy, dim.TRAY_CENTRE)) - np.array(dim.TRAY_SIZE) / 2
        assert beside.max() > thing.half_width
        for other in things[:index]:
            assert math.dist(thing.xy, other.xy) > thing.half_width + other.half_width


def test_every_scene_has_the_state_of_the_usual_one() -> None:
    for case in CASES.values():
        model = world.model(draw_layout(5, case).scene)
        assert (model.nq, model.nv) == (world.model().nq, world.model().nv)
        for joint in range(model.njnt):
            assert model.joint(joint).name == world.model().joint(joint).name
    assert world.model(Scene()) is world.model()


@pytest.fixture(scope="module")
def rig() -> SimRig:
    return SimRig()


@pytest.mark.parametrize("name", ["model_orange", "shifted_tray", "distractors"])
def test_who_sees_the_change_still_succeeds(rig: SimRig, name: str) -> None:
    for seed in (1, 2):
        layout = draw_layout(seed, CASES[name])
        assert demonstrate(rig, layout, layout) is Outcome.SUCCESS


def test_a_push_spoils_the_grasp_of_who_does_not_look(rig: SimRig) -> None:
    layout = draw_layout(3, CASES["human_disturbance"])
    assert layout.push is not None
    assert demonstrate(rig, layout, layout) is not Outcome.SUCCESS
    assert demonstrate(rig, layout, replace(layout, half_xy=layout.push.to_xy)) is Outcome.SUCCESS


def test_the_hand_waits_for_the_arm_and_comes_once(rig: SimRig) -> None:
    layout = draw_layout(3, CASES["human_disturbance"])
    assert layout.push is not None
    rig.reset(layout)
    for _ in range(240):
        rig.servo(rig.setpoint)
    assert rig.state().qpos[8:10] == pytest.approx(layout.half_xy, abs=5e-4)
    goals = plan(layout, Intent())
    for goal in goals[:30]:
        execute_tick(rig, goal)
    assert rig.state().qpos[8:10] == pytest.approx(layout.push.to_xy, abs=5e-4)


def test_one_rig_after_a_case_is_as_good_as_new(rig: SimRig) -> None:
    demonstrate(rig, draw_layout(4, CASES["distractors"]), draw_layout(4))
    rig.reset(6)
    fresh = SimRig()
    fresh.reset(6)
    for goal in plan(draw_layout(6), Intent())[:60]:
        execute_tick(rig, goal)
        execute_tick(fresh, goal)
    assert np.array_equal(rig.state().qpos, fresh.state().qpos)


def test_the_camera_sees_each_case(rig: SimRig) -> None:
    draw = Renderer(64, 128)
    try:
        usual = draw(rig.reset(draw_layout(7)).qpos)
        for name in ("model_orange", "shifted_tray", "distractors"):
            layout = draw_layout(7, CASES[name])
            seen = draw(rig.reset(layout).qpos, "third_view", layout.scene)
            changed = np.mean(np.abs(seen.astype(int) - usual).max(axis=2) > 40)
            assert 0.002 < changed < 0.2, name
        assert np.array_equal(draw(rig.reset(draw_layout(7)).qpos, "third_view", USUAL), usual)
    finally:
        draw.close()


def test_behind_a_control_box_the_arm_stays_where_it_is() -> None:
    plant = TwinPlant()
    before = plant.measure()
    made = plant.reset(8, home=False, case=CASES["shifted_tray"])
    layout = draw_layout(8, CASES["shifted_tray"])
    assert (made.layout, made.scene) == (layout.describe(), layout.scene.to_text())
    after = plant.measure()
    assert np.array_equal(before.qpos[:8], after.qpos[:8])
    assert after.qpos[8:10] == pytest.approx(layout.half_xy)


def test_what_the_cell_is_not_made_for() -> None:
    with pytest.raises(RigError, match=r"radius 0\.05 m, allowed: 0\.027 to 0\.036 m"):
        Scene(radius=0.05)
    case = CaseConfig(
        name="x", kind="distractors", description="Many.", simulation=SimulatedCase(distractors=6)
    )
    assert len(draw_layout(0, case).scene.distractors) == 6
    far = CaseConfig(
        name="z", kind="disturbance", description="P.", simulation=SimulatedCase(push_m=(0.2, 0.2))
    )
    with pytest.raises(RigError, match=r"leads off the tray from .*; push it less far"):
        draw_layout(0, far)
    with pytest.raises(RigError, match="'y': the simulated scene cannot stage it"):
        draw_layout(0, CaseConfig(name="y", kind="disturbance", description="Push."))
