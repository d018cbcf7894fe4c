# SPDX-License-Identifier: Apache-2.0
"""Off-screen pictures of a simulator's MuJoCo model.

MuJoCo's own renderer takes the OpenGL that `MUJOCO_GL` named when the package was first imported, which fails
without a screen where nobody had set it. This one opens EGL, or else OSMesa, itself.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray


class Pictures:
    """Draws the cameras of one model, all with one OpenGL context. Close it when done.

    Args:
        model: MuJoCo's.
        shadows: drawn or not.
        hidden_groups: of geoms that are left out, such as shapes for collisions.

    Raises:
        RigError: no off-screen OpenGL on this machine.
    """

    def __init__(self, model: mujoco.MjModel, *, shadows: bool, hidden_groups: tuple[int, ...] = ()) -> None:
        from zprl_sim.render import open_context

        self._model = model
        if not shadows:
            model.vis.quality.shadowsize = 0
        self._context = open_context(model.vis.global_.offwidth, model.vis.global_.offheight)
        self._drawer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawer)
        self._scene = mujoco.MjvScene(model, maxgeom=10_000)
        self._options = mujoco.MjvOption()
        for group in hidden_groups:
            self._options.geomgroup[group] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def __call__(self, data: mujoco.MjData, camera: str, height: int, width: int) -> NDArray[np.uint8]:
        """What a camera of the model sees, uint8 (height, width, 3), RGB, upright."""
        self._context.make_current()  # another one of this thread may have come since
        self._camera.fixedcamid = self._model.camera(camera).id
        everything: Any = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, self._options, None, self._camera, everything, self._scene)
        rect = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(rect, self._scene, self._drawer)
        frame = np.empty((height, width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(frame, None, rect, self._drawer)
        return np.ascontiguousarray(frame[::-1])

    def close(self) -> None:
        """Free the OpenGL context; closing twice is harmless."""
        if self._context is not None:
            self._context.make_current()
            self._drawer.free()
            self._context.free()
            self._context = None
