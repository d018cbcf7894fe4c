# SPDX-License-Identifier: Apache-2.0
"""Where a camera sees the arm's base frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zprl_core.data.projection import project, read_projections
from zprl_core.errors import ConfigError, RigError
from zprl_sim.render import Renderer, projection
from zprl_sim.rig import SimRig


def test_by_hand() -> None:
    """A camera at (0, 0, 2) that looks down, focal length 100 pixels, middle at (50, 40)."""
    inside = np.array([[100.0, 0, 50], [0, 100.0, 40], [0, 0, 1]])
    turn = np.diag([1.0, -1.0, -1.0])
    matrix = inside @ np.c_[turn, -turn @ [0, 0, 2.0]]
    seen = project(matrix, np.array([[0, 0, 0], [1, 0, 0], [0, 0.5, 1], [0, 0, 3]], np.float32))
    np.testing.assert_allclose(seen[:3], [[50, 40], [100, 40], [50, -10]])
    assert np.isnan(seen[3]).all()


@pytest.mark.parametrize("size", [(64, 128), (120, 160)])
def test_the_twin_s_camera_sees_the_half_where_it_lies(size: tuple[int, int]) -> None:
    rig, renderer = SimRig(), Renderer(*size)
    for seed in range(3):
        state = rig.reset(seed)
        frame = renderer(state.qpos, "third_view").astype(int)
        orange = (frame[..., 0] > 200) & (frame[..., 2] < 90)
        rows, columns = np.nonzero(orange)
        (seen,) = project(projection("third_view", *size), state.qpos[8:11][None].astype(np.float32))
        np.testing.assert_allclose(seen, [columns.mean(), rows.mean()], atol=0.04 * size[0])
    renderer.close()


def test_a_camera_that_moves_has_none() -> None:
    with pytest.raises(RigError, match="camera 'wrist': the fixed ones of the simulated cell are third_view"):
        projection("wrist", 64, 128)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("[[1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 4]]")
    found = read_projections([f"top={tmp_path / 'p.yaml'}"])
    assert found["top"].tolist() == [[1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 4]]


@pytest.mark.parametrize(
    ("text", "word", "message"),
    [
        ("[1, 2]", "top={}", "holds 2 numbers, must hold 12"),
        ("[1, .nan, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]", "top={}", "must hold 12, finite"),
        ("a: b", "top={}", "cannot be read"),
        ("[", "top={}", "cannot be read"),
        ("", "{}", "must be CAMERA=FILE"),
        ("", "top={}.absent", "cannot be read"),
    ],
)
def test_what_is_no_projection(tmp_path: Path, text: str, word: str, message: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_projections([word.format(tmp_path / "p.yaml")])
