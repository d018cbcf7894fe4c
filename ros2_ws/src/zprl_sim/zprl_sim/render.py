# SPDX-License-Identifier: Apache-2.0
"""Off-screen frames of the cell from nothing but qpos, so that a camera process can draw them.

It opens its own OpenGL context: EGL where it works, else OSMesa. Both run without a GPU or a screen.
`MUJOCO_GL` set to "egl" or "osmesa" allows only that one.
"""

from __future__ import annotations

import atexit
import os
import weakref
from importlib import import_module
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from zprl_core.errors import RigError
from zprl_sim import world
from zprl_sim.scene import USUAL, Scene

BACKENDS = ("egl", "osmesa")
_ASPECT = 3 / 2  # wider images than this would show what nobody needs to the left and the right
_HELP = (
    "on Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri libegl-mesa0 (EGL), "
    "or apt-get install libosmesa6 (OSMesa)"
)


def open_context(width: int, height: int) -> Any:
    """An off-screen OpenGL context, made current in the calling thread.

    Raises:
        RigError: neither EGL nor OSMesa works; it names what failed and the packages to install.
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    failures = []
    for backend in (wanted,) if wanted in BACKENDS else BACKENDS:
        try:
            kind = import_module(f"mujoco.{backend}").GLContext
            context = kind.__new__(kind)
            context._context = None  # what its __del__ looks for, even when __init__ fails
            context.__init__(width, height)
            context.make_current()
            return context
        except Exception as error:  # PyOpenGL raises whatever it meets: AttributeError, ImportError, GLError
            failures.append(f"{backend}: {type(error).__name__}: {error}")
            os.environ.pop("PYOPENGL_PLATFORM", None)
    raise RigError(f"rendering: no off-screen OpenGL ({'; '.join(failures)}); {_HELP}")


class Renderer:
    """Draws the cell's cameras. Use it in the thread that made it; `close` it when done.

    Args:
        height, width: of the frames, in pixels (at most 960 x 1280). The field of view is the camera's
            vertical one up to an aspect of 3:2; wider images keep the horizontal one of 3:2.

    Raises:
        RigError: no off-screen OpenGL on this machine.
    """

    def __init__(self, height: int, width: int) -> None:
        self._drawn, self._model = USUAL, world.model()
        self._data = mujoco.MjData(self._model)
        self._context = open_context(width, height)
        self._scene = mujoco.MjvScene(self._model, maxgeom=200)
        self._options = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._mjr = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._mjr)
        atexit.register(_close, weakref.ref(self))  # before OpenGL is torn down at the interpreter's exit

    def __call__(
        self, qpos: ArrayLike, camera: str = "third_view", scene: Scene = USUAL
    ) -> NDArray[np.uint8]:
        """The frame of `camera` for a state of a scene, uint8 (height, width, 3), RGB.

        Raises:
            RigError: qpos has the wrong length, or the cell has no such camera.
        """
        if scene != self._drawn:  # the same textures, and no meshes: the context stays as it is
            self._drawn, self._model = scene, world.model(scene)
            self._data = mujoco.MjData(self._model)
        self._context.make_current()  # another renderer of this thread may have come or gone since
        self._pose(np.asarray(qpos, dtype=np.float64))
        self._camera.fixedcamid = self._camera_id(camera)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(
            self._model, self._data, self._options, None, self._camera, everything, self._scene
        )
        self._keep_width()
        mujoco.mjr_render(self._rect, self._scene, self._mjr)
        frame = np.empty((self._rect.height, self._rect.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(frame, None, self._rect, self._mjr)
        return np.ascontiguousarray(frame[::-1])

    def close(self) -> None:
        """Frees the OpenGL context; closing twice is harmless."""
        if self._context is not None:
            self._context.make_current()
            self._mjr.free()
            self._context.free()
            self._context = None

    def _pose(self, qpos: NDArray[np.float64]) -> None:
        if qpos.shape != (self._model.nq,):
            raise RigError(
                f"rendering: qpos has shape {qpos.shape}, expected ({self._model.nq},): "
                "is it the state of another model?"
            )
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)

    def _keep_width(self) -> None:
        """An image wider than 3:2 shows less at top and bottom, not more at the sides."""
        scale = min(1.0, _ASPECT * self._rect.height / self._rect.width)
        for eye in self._scene.camera:
            eye.frustum_top *= scale
            eye.frustum_bottom *= scale

    def _camera_id(self, camera: str) -> int:
        index = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, camera)
        if index < 0:
            known = ", ".join(self._model.camera(i).name for i in range(self._model.ncam))
            raise RigError(f"camera {camera!r}: the simulated cell has {known}")
        return int(index)


def projection(camera: str, height: int, width: int) -> NDArray[np.float64]:
    """From the arm's base frame to pixels of `Renderer(height, width)`'s frames, (3, 4), for a fixed camera.

    Raises:
        RigError: the cell has no such camera, or it moves with the arm.
    """
    model = world.model()
    fixed = {model.camera(i).name: i for i in range(model.ncam) if model.cam_bodyid[i] == 0}
    if camera not in fixed:
        raise RigError(f"camera {camera!r}: the fixed ones of the simulated cell are {', '.join(fixed)}")
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    at = data.camera(fixed[camera])
    turn = np.diag([1.0, -1.0, -1.0]) @ at.xmat.reshape(3, 3).T  # OpenGL looks along -z with y up
    scale = min(1.0, _ASPECT * height / width)
    focal = 0.5 * height / (np.tan(0.5 * np.radians(model.cam_fovy[fixed[camera]])) * scale)
    inside = np.array([[focal, 0.0, 0.5 * width], [0.0, focal, 0.5 * height], [0.0, 0.0, 1.0]])
    return np.asarray(inside @ np.c_[turn, -turn @ at.xpos], dtype=np.float64)


def _close(reference: weakref.ReferenceType[Renderer]) -> None:
    renderer = reference()
    if renderer is not None:
        renderer.close()
