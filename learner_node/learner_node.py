"""The learner node: transitions in, SAC updates, an actor version out, all within one service call.

What is learned and how a run is resumed is `zprl_core.rl.learner.Learner`'s business. This node keeps its log
and its checkpoints in the run folder, and says how it is doing.

Resuming: in lockstep the interrupted episode is run again from its start, so what the log holds of it is
forgotten, and the learner stands exactly where the undisturbed run stood. On a real cell nothing recorded is
forgotten: what the checkpoint has not seen is learned from before the node is active.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path

import numpy as np
from zprl_interfaces.msg import ActorWeights, LearnerStatus
from zprl_interfaces.msg import Transition as TransitionMessage
from zprl_interfaces.srv import Update

from zprl_bringup import convert, qos
from zprl_bringup.node import LifecycleNode, run
from zprl_core.arithmetic import fast_matmul, use_threads
from zprl_core.base import load_base
from zprl_core.errors import ConfigError, DataError
from zprl_core.plan import position, read_plan
from zprl_core.provenance import Provenance
from zprl_core.record_log import RecordLog
from zprl_core.records import read_records
from zprl_core.rl.learner import LatentSpec, Learner
from zprl_core.rl.transition import Transition


class LearnerNode(LifecycleNode):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__("learner_node")
        self._setup = self.setup()
        self._base = self.parameter("base", "", "checkpoint of the base policy")
        self._resume = self.parameter("resume", False, "go on from the run folder's state")
        self._threads = self.parameter("threads", 1, "of torch", low=1, high=256)
        self._active = False
        self._episodes_unsaved, self._between_episodes = 0, True
        self._kept = 0
        self._update_s: deque[float] = deque(maxlen=100)

    def configure(self) -> None:
        """Load the base policy's statistics and the run's own state."""
        use_threads(self._threads)
        fast_matmul()
        setup = self._setup
        self._folder = setup.folder
        self._checkpoint = self._folder.learner_checkpoint
        model, _, _ = load_base(Path(self._base), setup.task)
        latent = LatentSpec.of(model, setup.task)
        log = RecordLog(self._folder.transitions_file)
        cell = Provenance.of(setup.rig, setup.task, lockstep=setup.lockstep)
        device, tell = setup.rig.compute.learner, self.get_logger().info
        self._learner = Learner(setup.task, latent, setup.seed, log, cell, device, tell)
        self._take_up()
        self._learner.prepare()
        self._sent_updates = -1
        self._status = self.create_publisher(LearnerStatus, "/learner/status", qos.status())
        self._actor = self.create_publisher(ActorWeights, "/learner/actor", qos.latched())
        self.create_service(Update, "/learner/update", self._on_update)

    def activate(self) -> None:
        """Learn from here on."""
        self._active = True
        self._publish_actor()

    def deactivate(self) -> None:
        """Refuse transitions."""
        self._active = False

    def cleanup(self) -> None:
        """Refused: what was opened is closed with the process."""
        raise ConfigError("learner_node is configured once: end the process and start it anew")

    def shut_down(self) -> None:
        """Leave the counters, and between two episodes a checkpoint."""
        if not hasattr(self, "_learner"):
            return
        try:
            if self._plan_is_done():
                self._settle()
            if self._episodes_unsaved and self._between_episodes:
                self._learner.save(self._checkpoint)
        except DataError as error:  # the last checkpoint is the one to go on from
            self.get_logger().error(str(error))
        self._write_stats()

    def _plan_is_done(self) -> bool:
        """Whether the session's end is the run's: nobody takes the last label back any more."""
        return position(read_plan(self._folder.plan_file), read_records(self._folder.episodes_file)) is None

    def _take_up(self) -> None:
        """Continue a run, or refuse to mix a new one with the data of another."""
        learner = self._learner
        if not self._resume:
            if learner.log.count:
                raise DataError(f"{learner.log.path}: holds {learner.log.count} records; start with --resume")
            return
        if self._checkpoint.exists():
            learner.load(self._checkpoint)
        records = read_records(self._folder.episodes_file)
        if self._setup.lockstep:
            last = max((record.episode for record in records), default=-1)
            if learner.has_seen_after(last):  # first, as a checkpoint that is ahead of its log is refused
                self._checkpoint.unlink(missing_ok=True)
            learner.forget_episodes_after(last)
        for _version in learner.replay_log():
            pass
        for record in records:  # what was corrected while no learner was there to hear it
            self._correct(record.episode, record.chunks - 1, record.outcome)
        learner.save(self._checkpoint)  # the old one may be from an episode that was just forgotten
        counters = learner.counters
        for transitions, path in self._folder.kept_checkpoints().items():
            if transitions > counters.transitions:
                path.unlink()
            else:
                self._kept = transitions
        self.get_logger().info(f"resumed at {counters.records} transitions, {counters.updates} updates")

    def _on_update(self, request: Update.Request, response: Update.Response) -> Update.Response:
        problem = self._problem(request)
        if problem:
            response.reason = problem
            return response
        try:
            for message in request.transitions:
                self._learn(message)
            for correction in request.corrections:
                self._correct(correction.episode, correction.chunk, correction.outcome)
            if not request.transitions and not request.corrections:
                self._settle()
        except DataError as error:
            self.get_logger().error(str(error))
            response.reason = str(error)
            return response
        self._publish_status()
        response.ok = True
        response.actor_version = self._learner.version
        if request.known_version < 0 or self._sent_updates != self._learner.counters.updates:
            response.weights = convert.octets(self._learner.actor_bytes())
            self._sent_updates = self._learner.counters.updates
        return response

    def _problem(self, request: Update.Request) -> str:
        if request.run_id != self._setup.run_id:
            return f"run '{request.run_id}' is not this one, '{self._setup.run_id}'"
        return "" if self._active else "the learner is not active"

    def _learn(self, message: TransitionMessage) -> None:
        before = self._learner.counters.updates
        self._learner.update(transition(message))
        if self._learner.counters.updates > before:
            self._update_s.append(self._learner.update_s)
        self._between_episodes = bool(message.last)

    def _correct(self, episode: int, chunk: int, outcome: str) -> None:
        correction = self._learner.correct(episode, chunk, outcome)
        if correction is None:
            return
        first, end = correction.updates
        made = f"{end - first} updates, from number {first} on, were made with the old label"
        self.get_logger().info(f"episode {episode}: {correction.before} corrected to {outcome}; {made}")

    def _settle(self) -> None:
        """The label of the last ending is final."""
        unsettled = self._learner.counters.unsettled
        self._learner.settle()
        if self._learner.counters.unsettled != unsettled:
            self._end_episode()

    def _end_episode(self) -> None:
        self._episodes_unsaved += 1
        self._publish_actor()
        self._write_stats()
        if self._episodes_unsaved >= self._setup.task.rl.checkpoint_every_episodes:
            self._learner.save(self._checkpoint)
            self._episodes_unsaved = 0
        transitions = self._learner.counters.transitions
        if transitions - self._kept >= self._setup.task.rl.keep_every_chunks:
            self._learner.save(self._folder.kept_checkpoint(transitions))
            self._kept = transitions

    def _publish_actor(self) -> None:
        weights = convert.octets(self._learner.actor_bytes())
        self._actor.publish(ActorWeights(version=self._learner.version, weights=weights))

    def _publish_status(self) -> None:
        counters, metrics = self._learner.counters, self._learner.metrics
        self._status.publish(
            LearnerStatus(
                header=convert.header(self.now_ns()),
                updates=counters.updates,
                actor_version=self._learner.version,
                transitions=counters.transitions,
                excluded=counters.excluded,
                corrected=counters.corrected,
                update_s=float(np.median(self._update_s)) if self._update_s else 0.0,
                q_mean=metrics.get("q", 0.0),
                critic_loss=metrics.get("critic_loss", 0.0),
                actor_loss=metrics.get("actor_loss", 0.0),
                temperature=metrics.get("temperature", 0.0),
            )
        )

    def _write_stats(self) -> None:
        counters = self._learner.counters
        stats = {
            "device": self._learner.device,
            "updates": counters.updates,
            "transitions": counters.transitions,
            "excluded": counters.excluded,
            "corrections": [correction._asdict() for correction in self._learner.corrections],
            "update_ms": round(1e3 * float(np.median(self._update_s)), 3) if self._update_s else None,
            **{name: _told(value) for name, value in self._learner.metrics.items()},
        }
        self._folder.write_stats("learner_node", stats)


def _told(value: float) -> float | None:
    """For JSON, which has no NaN."""
    return round(value, 6) if math.isfinite(value) else None


def transition(message: TransitionMessage) -> Transition:
    """A message as the learner's own type."""
    return Transition(
        episode=message.episode,
        chunk=message.chunk,
        c=convert.vector32(message.c),
        z=convert.vector32(message.z),
        z_tilde=convert.vector32(message.z_tilde),
        reward=message.reward,
        terminal=message.terminal,
        last=message.last,
        c_next=convert.vector32(message.c_next),
        z_next=convert.vector32(message.z_next),
        excluded=message.excluded,
    )


def main() -> None:
    """Entry point."""
    run(LearnerNode)


if __name__ == "__main__":
    main()
