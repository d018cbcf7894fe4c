# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from zprl_core.errors import RigError
from zprl_sim import dimensions as dim
from zprl_sim.layout import Layout
from zprl_sim.render import Renderer
from zprl_sim.rig import SimRig


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    made = Renderer(96, 128)
    yield made
    made.close()


def qpos(y: float) -> np.ndarray:
    return SimRig().reset(Layout((dim.TRAY_CENTRE[0], dim.TRAY_CENTRE[1] + y))).qpos


def orange(frame: np.ndarray) -> np.ndarray:
    """Row and column of the centre of what is orange, and how many pixels it has."""
    red, green, blue = (frame[..., i].astype(int) for i in range(3))
    rows, columns = np.nonzero((red > 150) & (green > 60) & (green < red - 40) & (blue < 60))
    return np.array([rows.mean(), columns.mean(), len(rows)])


def test_a_frame_is_rgb_bytes(renderer: Renderer) -> None:
    frame = renderer(qpos(0.0))
    assert frame.shape == (96, 128, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous


def test_the_half_is_seen_where_it_lies_and_a_pixel_is_at_most_four_millimetres(renderer: Renderer) -> None:
    left, right = orange(renderer(qpos(-0.10))), orange(renderer(qpos(0.10)))
    assert min(left[2], right[2]) > 120
    assert 200 / (right[1] - left[1]) <= 4.1
    assert abs(left[0] - right[0]) < 3


@pytest.mark.parametrize("y", [-0.105, 0.105])
def test_even_at_the_trays_ends_a_crop_of_four_pixels_leaves_the_half_in_view(
    renderer: Renderer, y: float
) -> None:
    frame = renderer(qpos(y))
    assert orange(frame[4:-4, 4:-4])[2] == orange(frame)[2]


def test_a_frame_depends_on_qpos_alone(renderer: Renderer) -> None:
    state, other = qpos(0.03), qpos(-0.05)
    first = renderer(state)
    assert not np.array_equal(renderer(other), first)
    np.testing.assert_array_equal(renderer(state), first)


def test_the_papers_wide_image_holds_the_tray_and_the_juicer() -> None:
    wide = Renderer(110, 280)
    for y in (-0.105, 0.105):
        assert orange(wide(qpos(y)))[2] > 500
    wide.close()
    wide.close()


def test_renderers_of_one_thread_do_not_disturb_each_other(renderer: Renderer) -> None:
    alone, other = renderer(qpos(0.0)), Renderer(48, 64)
    other(qpos(0.03))
    np.testing.assert_array_equal(renderer(qpos(0.0)), alone)
    other.close()
    np.testing.assert_array_equal(renderer(qpos(0.0)), alone)


@pytest.mark.parametrize("camera", ["third_view", "side", "wrist"])
def test_every_camera_shows_something(renderer: Renderer, camera: str) -> None:
    assert renderer(qpos(0.0), camera).std() > 20


def test_an_unknown_camera_is_named_with_those_that_exist(renderer: Renderer) -> None:
    with pytest.raises(RigError, match=r"'top'.*third_view.*side.*wrist"):
        renderer(qpos(0.0), "top")


def test_the_state_of_another_model_is_refused(renderer: Renderer) -> None:
    with pytest.raises(RigError, match=r"\(9,\), expected \(15,\)"):
        renderer(np.zeros(9))


def test_without_opengl_the_packages_to_install_are_named() -> None:
    code = (
        "from zprl_core.errors import RigError\nfrom zprl_sim.render import Renderer\n"
        "try:\n    Renderer(8, 8)\nexcept RigError as error:\n    print(error)"
    )
    environment = os.environ | {"MUJOCO_GL": "egl", "MUJOCO_EGL_DEVICE_ID": "99"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert "no off-screen OpenGL" in done.stdout
    assert "apt-get install libegl1" in done.stdout
    assert done.stderr == ""


def test_a_renderer_that_was_not_closed_leaves_no_noise_at_exit() -> None:
    code = "from zprl_sim.render import Renderer; r = Renderer(8, 8)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
