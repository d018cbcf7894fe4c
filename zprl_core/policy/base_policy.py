"""The base policy: c = E(o), then the flow from noise to an action chunk (section III-B)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zprl_core.policy.encoder import ObservationEncoder, centre_crop
from zprl_core.policy.flow import flow_matching_loss, integrate
from zprl_core.policy.normalizer import Normalizer
from zprl_core.policy.unet import ChunkUNet

if TYPE_CHECKING:
    from zprl_core.config import TaskConfig


class BasePolicy(nn.Module):
    """Encoder, flow and normalisers of one task.

    Observations: images {camera: uint8 (B, S, h, w, 3)}, uncropped; proprio float32 (B, S, dq), as measured.
    Actions: float32 (B, H, da) in physical units (metres, radians, gripper width); the flow works on actions
    normalised to [-1, 1], and w is standard normal (B, H, da).
    """

    def __init__(self, task: TaskConfig) -> None:
        super().__init__()
        observation, action, policy = task.observation, task.action, task.policy
        self.chunk, self.action_dim = action.chunk, action.dim
        self.flow_steps, self.sampling = policy.flow_steps, policy.sampling
        self.encoder = ObservationEncoder(
            observation.cameras,
            observation.steps,
            observation.proprio_dim,
            policy.image_embedding,
            policy.resnet_width,
            policy.pooling,
        )
        self.flow = ChunkUNet(
            action.dim,
            self.encoder.c_dim,
            policy.unet_widths,
            policy.step_embedding,
            policy.kernel_size,
            policy.groups,
        )
        self.actions = Normalizer(action.dim)
        self.proprioception = Normalizer(observation.proprio_dim)

    @property
    def c_dim(self) -> int:
        """Length of the condition c."""
        return self.encoder.c_dim

    def encode_cropped(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """c (B, c_dim) of images that are already cropped; proprio (B, S, dq) in physical units."""
        return self.encoder(images, self.proprioception(proprio))

    def encode(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """c (B, c_dim) as deployment sees it: centre crops."""
        return self.encode_cropped(self.encoder.crop_centre(images), proprio)

    def embed(self, camera: str, frame: Tensor) -> Tensor:
        """Embeddings (n, embedding) of one camera's uncropped frames (n, h, w, 3)."""
        return self.encoder.embed(camera, centre_crop(frame, *self.encoder.crops[camera]))

    def condition(self, embeddings: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """c (B, c_dim) of embeddings {camera: (B, S, embedding)}; proprio (B, S, dq) in physical units."""
        return self.encoder.join(embeddings, self.proprioception(proprio))

    def flow_loss(self, c: Tensor, actions: Tensor, w: Tensor, k: Tensor) -> Tensor:
        """Eq. (1) per sample and noise draw, (B, n).

        Args:
            c: condition (B, c_dim), used for all n draws.
            actions: normalised chunks (B, H, da).
            w: (B, n, H, da) standard normal. k: (B, n) in the training schedule.
        """
        batch, draws = k.shape
        film = self.flow.condition(c).repeat_interleave(draws, dim=0)
        repeated = actions.repeat_interleave(draws, dim=0)
        loss = flow_matching_loss(
            lambda a, step: self.flow(a, step, film), repeated, w.flatten(0, 1), k.flatten()
        )
        return loss.view(batch, draws)

    def act(self, condition: Tensor, w: Tensor) -> Tensor:
        """Eq. (2): the chunk (B, H, da), physical units, for c or c^ (B, c_dim) and noise w (B, H, da)."""
        film = self.flow.condition(condition)
        return self.actions.inverse(integrate(lambda a, k: self.flow(a, k, film), w, self.sampling))

    @torch.no_grad()
    def fit_normalizers(self, actions: Tensor, proprio: Tensor) -> None:
        """Fit on all demonstrated actions (N, da) and proprioception (N, dq)."""
        self.actions.fit_range(actions)
        self.proprioception.fit_moments(proprio)
