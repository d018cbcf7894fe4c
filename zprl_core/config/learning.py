# SPDX-License-Identifier: Apache-2.0
"""Settings of the base policy, its bottleneck, and the online learner.

Defaults are the paper's where it gives one value for all tasks; `source` says which. What differs per
task stands in the task's YAML.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting

Pooling = Literal["average", "flatten"]
Precision = Literal["fp32", "bf16"]
Aggregation = Literal["min", "min_of_random_two", "mean"]
HumanChunks = Literal["exclude", "invert"]
Interface = Literal["latent", "action_residual"]


@dataclass(frozen=True, kw_only=True)
class PolicyConfig:
    """Network of the base policy: a ResNet-18 per camera and a 1-D conditional U-Net over the chunk."""

    unet_widths: tuple[int, ...] = setting("channels of the U-Net's levels", source="paper Appendix", low=1)
    resnet_width: int = setting("channels of the ResNet-18's first stage", default=64, low=1, high=512)
    image_embedding: int = setting(
        "numbers per camera and step after the projection", default=256, source="paper Appendix", low=1
    )
    pooling: Pooling = setting("how the ResNet's last map becomes a vector", default="average")
    step_embedding: int = setting("numbers that encode the flow's k", default=128, low=2)
    kernel_size: int = setting("of the U-Net's convolutions, odd", default=5, low=1, high=15)
    groups: int = setting("of the U-Net's group normalisation", default=8, low=1)
    flow_steps: int = setting(
        "training draws k from 1, 1 - 1/n, ..., 1/n", default=100, source="paper Appendix", low=1
    )
    sampling: tuple[float, ...] = setting(
        "k of the sampling schedule, eq. (2)",
        default=(1.0, 0.01, 0.0),
        source="paper Appendix",
        low=0.0,
        high=1.0,
    )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        if not self.unet_widths:
            problems.append(("unet_widths", "is empty, needs at least one level"))
        problems += [
            ("unet_widths", f"{width} is not a multiple of groups = {self.groups}")
            for width in self.unet_widths
            if width % self.groups
        ]
        if self.kernel_size % 2 == 0:
            problems.append(("kernel_size", f"{self.kernel_size} is even, allowed: odd numbers"))
        if self.step_embedding % 2:
            problems.append(("step_embedding", f"{self.step_embedding} is odd, allowed: even numbers"))
        falling = all(a > b for a, b in zip(self.sampling, self.sampling[1:], strict=False))
        if len(self.sampling) < 2 or self.sampling[0] != 1.0 or self.sampling[-1] != 0.0 or not falling:
            problems.append(("sampling", f"{list(self.sampling)} must fall from 1 to 0"))
        return problems


@dataclass(frozen=True, kw_only=True)
class BottleneckConfig:
    """The variational bottleneck, eq. (3) to (6)."""

    latent_dim: int = setting("dim(z)", source="paper Tables VI, VII", low=1, high=4096)
    beta: float = setting("weight of the KL term, eq. (5)", default=1e-4, source="paper Appendix", low=0.0)
    hidden: int = setting("width of encoder and decoder", default=256, source="paper Appendix", low=1)
    layers: int = setting("layers of encoder and of decoder", default=4, source="paper Appendix", low=1)
    joint: bool = setting(
        "train beside the base policy (the paper) or only attach afterwards",
        default=True,
        source="paper IV-A",
    )
    steps: int = setting(
        "at most this many gradient steps when attached to a finished base", default=4000, low=0
    )
    warm_start_steps: int = setting(
        "cheap steps before those, which bring the flow's view of c^ near that of c", default=0, low=0
    )
    learning_rate: float = setting("of AdamW when attached", default=1e-3, above=0.0, high=1.0)
    weight_decay: float = setting("of AdamW when attached", default=1e-6, low=0.0)
    batch_size: int = setting("when attached", default=256, low=1)
    evaluate_every: int = setting("gradient steps between looks at the held-out loss", default=250, low=1)
    patience: int = setting("looks without a better held-out loss before it stops", default=6, low=1)
    validation_fraction: float = setting("share of episodes held out", default=0.1, low=0.0, high=0.5)
    random_crops: int = setting("random crops cached beside the centre crop", default=2, low=0)


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Imitation of the demonstrations, eq. (1) and (6)."""

    batch_size: int = setting(
        "128 or 256 in the paper, by size of the dataset", source="paper Appendix", low=1
    )
    epochs: int = setting("passes over the dataset", default=1000, source="paper Appendix", low=1)
    max_steps: int | None = setting(
        "stop after this many gradient steps; null: only epochs count", default=None, low=1
    )
    learning_rate: float = setting("of AdamW", default=1e-4, above=0.0, high=1.0)
    weight_decay: float = setting("of AdamW", default=1e-6, low=0.0)
    warmup_steps: int = setting("linear rise of the learning rate, then a cosine to 0", default=500, low=0)
    gradient_clip: float | None = setting("largest gradient norm; null: none", default=None, above=0.0)
    ema_power: float = setting("EMA decay is 1 - (1 + step)^-power", default=0.75, above=0.0, high=1.0)
    ema_max_decay: float = setting("largest EMA decay", default=0.9999, low=0.0, high=1.0)
    noise_samples: int = setting("draws of (k, w) per image in a batch", default=1, low=1)
    first_step_share: float = setting(
        "share of the draws at k = 1, where the sampler takes its decisive step (the paper: uniform)",
        default=0.0,
        low=0.0,
        high=1.0,
    )
    precision: Precision = setting("arithmetic of the image encoder's training", default="fp32")
    validation_fraction: float = setting("share of episodes held out", default=0.0, low=0.0, high=0.5)


@dataclass(frozen=True, kw_only=True)
class GuardConfig:
    """How far the steered latent may go, on average over a few chunks, see docs/guard.md. null: any way."""

    mahalanobis: float | None = setting(
        "distance of z~ to the offline latents, in multiples of their 99 % quantile", default=1.0, above=0.0
    )
    displacement: float | None = setting(
        "L2 distance of g(z~) to g(z), in units of c", default=0.8, source="paper Appendix", above=0.0
    )
    rms_ratio: float | None = setting("RMS(lambda dz) / RMS(z)", default=None, above=0.0)
    chunks: int = setting("length of the average", default=8, low=1, high=1000)
    back_off: bool = setting("scale lambda down while an average is beyond its limit", default=False)


@dataclass(frozen=True, kw_only=True)
class HumanMatchConfig:
    """How near a latent's chunk must come to the one that a person executed, at every waypoint."""

    position_m: float = setting("of the tool", default=0.01, unit="m", above=0.0)
    rotation_rad: float = setting("of the tool", default=0.1, unit="rad", above=0.0)
    gripper_m: float = setting("of the gripper's width", default=0.01, unit="m", above=0.0)


@dataclass(frozen=True, kw_only=True)
class RLConfig:
    """Soft actor-critic on the latent, eq. (7) to (11), Table V."""

    steering: Interface = setting(
        "what is perturbed: the latent z (ZPRL), or the action chunk (the baseline Policy Decorator)",
        default="latent",
        source="paper IV-B, V-A",
    )
    lambda_: float | None = setting(
        "perturbation scale, eq. (7); null: proposed from data, RMS(lambda dz)/RMS(z) = 15 %",
        source="paper Tables VI, VII",
        above=0.0,
        key="lambda",
    )
    residual_scale: float = setting(
        "of an action residual, in lambda's place; 1 is half of the demonstrated range",
        default=0.1,
        above=0.0,
        high=2.0,
    )
    progressive_chunks: int = setting(
        "of an action residual: chunks until all of them may be perturbed; endings count twice",
        default=500,
        low=0,
    )
    filter_steps: int = setting(
        "of an action residual: waypoints that each pose is averaged over, itself the last (3 in the paper)",
        default=3,
        source="paper V-D",
        low=1,
        high=10,
    )
    gamma: float = setting("discount, once per chunk", source="paper Table V", above=0.0, high=1.0)
    utd: int = setting("updates per transition", source="paper Table V", low=0)
    critics: int = setting("size of the ensemble", source="paper Table V", low=1)
    warmup_chunks: int = setting("chunks before the first update", source="paper Tables VI, VII", low=0)
    batch_size: int = setting("transitions per update", default=256, source="paper Table V", low=1)
    actor_lr: float = setting("Adam", default=1e-4, source="paper Table V", above=0.0, high=1.0)
    critic_lr: float = setting("Adam", default=3e-4, source="paper Table V", above=0.0, high=1.0)
    temperature_lr: float = setting("Adam", default=1e-4, low=0.0, high=1.0)
    initial_temperature: float = setting("alpha at start", default=0.01, source="paper Table V", above=0.0)
    target_entropy_per_dim: float = setting("times dim(z)", default=-0.5, source="paper Table V")
    tau: float = setting("target update rate", default=0.005, source="paper Table V", above=0.0, high=1.0)
    hidden: int = setting("width of actor and critics", default=256, source="paper Table V", low=1)
    layers: int = setting("layers of actor and critics", default=4, source="paper Table V", low=1)
    log_std_min: float = setting("of the actor", default=-10.0, source="paper Table V")
    log_std_max: float = setting("of the actor", default=2.0, source="paper Table V")
    layer_norm: bool = setting("in the critics, for dense rewards", default=False, source="paper Appendix")
    extra_utd: int = setting("further updates per transition while the scene is reset", default=0, low=0)
    catch_up_burst: bool = setting("after the warm-up, do the updates that it skipped", default=False)
    clamp_targets: bool = setting("clamp y of eq. (11) to [0, 1]; sparse rewards only", default=False)
    critic_target_aggregation: Aggregation | None = setting(
        "of the target critics; null: min of two critics, min_of_random_two of more (REDQ)", default=None
    )
    critic_actor_aggregation: Aggregation | None = setting(
        "of the critics in the actor's loss; null: min of two critics, mean of more (REDQ)", default=None
    )
    checkpoint_every_episodes: int = setting("training episodes between checkpoints", default=10, low=1)
    keep_every_chunks: int = setting(
        "training chunks between checkpoints that stay, to be evaluated afterwards", default=1000, low=1
    )
    guard: GuardConfig = setting("limits of the steered latent", factory=GuardConfig)
    human_chunks: HumanChunks = setting(
        "a chunk that a person took over: left out, or learned from by the latent that explains it",
        default="exclude",
    )
    human_match: HumanMatchConfig = setting("how well that latent must explain it", factory=HumanMatchConfig)

    @property
    def target_aggregation(self) -> Aggregation:
        """How the target critics are combined in eq. (11)."""
        return self.critic_target_aggregation or ("min" if self.critics <= 2 else "min_of_random_two")

    @property
    def actor_aggregation(self) -> Aggregation:
        """How the critics are combined in eq. (9)."""
        return self.critic_actor_aggregation or ("min" if self.critics <= 2 else "mean")

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        if self.steering == "action_residual" and self.human_chunks == "invert":
            problems.append(
                ("human_chunks", "invert looks for a latent, and steering is action_residual: set exclude")
            )
        if self.log_std_min >= self.log_std_max:
            problems.append(
                ("log_std_min", f"{self.log_std_min} is not below log_std_max = {self.log_std_max}")
            )
        for key in ("critic_target_aggregation", "critic_actor_aggregation"):
            if getattr(self, key) == "min_of_random_two" and self.critics < 2:
                problems.append((key, "min_of_random_two needs critics of at least 2"))
        return problems


@dataclass(frozen=True, kw_only=True)
class BudgetConfig:
    """How much data a task gets: demonstrations offline, chunks online."""

    demonstrations: int = setting("trajectories offline", source="paper V-A, Table III", low=1)
    chunks: int = setting("action chunks online", source="paper Table III", low=1)
    demonstration_pairs: int | None = setting(
        "(o, a) pairs offline", default=None, source="paper Table III", low=1
    )
    demonstration_hours: float | None = setting(
        "collection time offline", default=None, source="paper Table III", unit="h", above=0.0
    )
    episodes: int | None = setting("trajectories online", default=None, source="paper Table III", low=1)
    hours: float | None = setting(
        "collection time online", default=None, source="paper Table III", unit="h", above=0.0
    )
