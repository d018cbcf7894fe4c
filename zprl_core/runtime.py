"""The policy at run time: one observation in, one steered action chunk out. Noise is always an argument.

Every method takes and returns numpy float32 without a batch dimension:
    images {camera: uint8 (S, h, w, 3)}, proprio (S, dq), c (c_dim,), z, dz, z_tilde (dim,),
    w and actions (H, da); actions in physical units, w standard normal.
z is the bottleneck's latent; with `rl.steering: action_residual` it is the base action chunk in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zprl_core.actions import ActionCodec
from zprl_core.arithmetic import channels_last, fast_matmul
from zprl_core.base import BaseModel
from zprl_core.config.compute import ComputeConfig
from zprl_core.data.observation import noise
from zprl_core.inference.backend import Notice, choose
from zprl_core.planned import Plan
from zprl_core.policy_modes import STEERED, Mode
from zprl_core.rl import weights
from zprl_core.rl.actor import Actor
from zprl_core.steering.action_residual import ActionResidual
from zprl_core.steering.guard import GuardValues, measure
from zprl_core.steering.inversion import Inversion, invert
from zprl_core.steering.latent import LatentSteering

if TYPE_CHECKING:
    from zprl_core.config import TaskConfig

Array = NDArray[np.float32]


ON_CPU = ComputeConfig(backends=("torch",))
"""What computes where no rig says: the same on every machine, whether it has a GPU or not."""


class PolicyRuntime:
    """The frozen base policy with its bottleneck, and the actor of the latest version that was set.

    Args:
        model: of `load_base`. task: whose settings shape the actor.
        lambda_: perturbation scale, eq. (7).
        compute: of a rig's computer. What one backend planned, the same backend plans again to the bit.
        notice: told in a line which backend is used, and why others are not.

    Attributes:
        backend: name of what computes it, with its precision.
    """

    def __init__(
        self,
        model: BaseModel,
        task: TaskConfig,
        lambda_: float,
        compute: ComputeConfig = ON_CPU,
        notice: Notice = lambda _: None,
    ) -> None:
        fast_matmul()
        self.task = task
        self.model = model.eval().requires_grad_(False)
        channels_last(self.model)
        if not model.observations:
            notice("the checkpoint keeps no observations: policy backends are compared on noise")
        chosen = choose(model.policy, compute, model.observations or noise(task), notice)
        self._policy, self.backend = chosen.backend, chosen.name
        self.steering: LatentSteering | ActionResidual = (
            LatentSteering(self._policy, model.bottleneck, lambda_)
            if task.rl.steering == "latent"
            else ActionResidual(model.policy, lambda_, self._policy)
        )
        self.actor = new_actor(model, task).requires_grad_(False)
        self.actor_version = 0

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of z and of its noise."""
        return (self.model.bottleneck.latent_dim,)

    @property
    def steered_shape(self) -> tuple[int, ...]:
        """Shape of what is steered, of dz and of its noise: z's, or that of a flat chunk."""
        return (self.steering.dim,)

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of a chunk and of w."""
        return (self.model.policy.chunk, self.model.policy.action_dim)

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the noise of z, of dz and of the flow."""
        return self.latent_shape, self.steered_shape, self.action_shape

    def set_actor(self, version: int, data: bytes) -> None:
        """Use the actor of this version from now on; the same version again costs nothing.

        Raises:
            DataError: not the bytes of this task's actor.
        """
        if version == self.actor_version and version > 0:
            return
        weights.from_bytes(self.actor, data)
        self.actor_version = version

    def encode(self, images: Mapping[str, NDArray[np.uint8]], proprio: Array) -> Array:
        """c = E(o)."""
        cameras = self.model.policy.encoder.cameras
        embeddings = {name: np.stack([self.embed(name, each) for each in images[name]]) for name in cameras}
        return self.condition(embeddings, proprio)

    @torch.inference_mode()
    def embed(self, camera: str, frame: NDArray[np.uint8]) -> Array:
        """Embedding (embedding,) of one frame (h, w, 3)."""
        return _array(self._policy.embed(camera, torch.tensor(frame)[None]))

    @torch.inference_mode()
    def condition(self, embeddings: Mapping[str, Array], proprio: Array) -> Array:
        """c of embeddings {camera: (S, embedding)}; with `embed`, the same bits as `encode`."""
        tensors = {name: _tensor(each) for name, each in embeddings.items()}
        return _array(self.model.policy.condition(tensors, _tensor(proprio)))

    @torch.inference_mode()
    def base(self, c: Array, noise: Array, w: Array) -> Array:
        """What is steered: z ~ p(z|c) for standard normal noise (dim z,), or the flat chunk that w gives."""
        return _array(self.steering.draw(_tensor(c), _tensor(noise), _tensor(w)))

    @torch.inference_mode()
    def plan(self, mode: Mode | str, c: Array, z: Array, noise: Array, w: Array, scale: float = 1.0) -> Plan:
        """An action chunk.

        Args:
            mode: "base_c": through c, the bottleneck is not used. "base_z": through g(z). "explore":
                dz ~ pi(.|c, z). "steer": dz = tanh(mean).
            z: of `base`.
            noise: standard normal (dim,), for dz in "explore".
            scale: of lambda.
        """
        base, dz = _tensor(z), self._perturbation(mode, c, z, noise)
        z_tilde = base + self.steering.scale * (scale * dz)  # eq. (7)
        actions = self._act(mode, _tensor(c), z_tilde, _tensor(w))
        return Plan(
            c=c,
            z=z,
            dz=_array(dz),
            z_tilde=_array(z_tilde),
            w=w,
            actions=_array(actions),
            scale=scale,
            guard=self._guard_values(base, z_tilde) if mode in STEERED else GuardValues(),
        )

    @torch.inference_mode()
    def decode(self, mode: Mode | str, c: Array, z_tilde: Array, w: Array) -> Array:
        """The chunk that a steered latent and w give; in "base_c" the latent is not used."""
        return _array(self._act(mode, _tensor(c), _tensor(z_tilde), _tensor(w)))

    def explain(self, plan: Plan, executed: NDArray[np.float64], noise: Array) -> Inversion:
        """The latent that explains what was executed in place of a plan, see `steering.inversion.invert`.

        Args:
            plan: of that chunk. executed: (H, da), physical units.
            noise: standard normal (n, dim z), for n further starts.
        """
        codec, bound = ActionCodec.from_config(self.task.action), self.task.rl.human_match
        return invert(self.model, codec, bound, plan.c, plan.z, plan.w, executed, noise)

    def _act(self, mode: str, c: Tensor, z_tilde: Tensor, w: Tensor) -> Tensor:
        return self._policy.act(c, w) if mode == "base_c" else self.steering.act(c, z_tilde, w)

    def _guard_values(self, z: Tensor, z_tilde: Tensor) -> GuardValues:
        if isinstance(self.steering, ActionResidual):
            return GuardValues()
        before, after = (_array(self.steering.condition(latent)) for latent in (z, z_tilde))
        return measure(_array(z), _array(z_tilde), before, after, self.model.latents)

    def _perturbation(self, mode: str, c: Array, z: Array, noise: Array) -> Tensor:
        if mode in ("base_c", "base_z"):
            return torch.zeros(1, self.steering.dim)
        standard = self.model.bottleneck.standardise(_tensor(c))
        if mode == "steer":
            return self.actor.mean(standard, _tensor(z))
        if mode == "explore":
            return self.actor.sample(standard, _tensor(z), _tensor(noise))[0]
        raise ValueError(f"mode is {mode!r}, allowed: base_c, base_z, explore, steer")


def new_actor(model: BaseModel, task: TaskConfig) -> Actor:
    """An actor of the task's shape for this model; its weights are to be set."""
    rl = task.rl
    dim = steering_dim(model, task)
    return Actor(model.policy.c_dim, dim, rl.hidden, rl.layers, rl.log_std_min, rl.log_std_max)


def steering_dim(model: BaseModel, task: TaskConfig) -> int:
    """Length of dz."""
    if task.rl.steering == "latent":
        return model.bottleneck.latent_dim
    return model.policy.chunk * model.policy.action_dim


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))[None]


def _array(tensor: Tensor) -> Array:
    return tensor[0].numpy().copy()
