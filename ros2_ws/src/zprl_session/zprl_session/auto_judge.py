"""The automatic judge: labels episodes from the simulation's ground truth, through the service that people
use.
"""

from __future__ import annotations

from zprl_interfaces.msg import SessionState, SimState
from zprl_interfaces.srv import Label

from zprl_bringup import convert, qos
from zprl_bringup.node import Node, run
from zprl_session.judge import Asking
from zprl_sim.judge import Judge
from zprl_sim.scene import Scene

AUTHOR = "judge"


class AutoJudge(Node):
    """Answers /sim/state with calls of /session/label."""

    def __init__(self) -> None:
        super().__init__("auto_judge")
        setup = self.setup()
        self._asking = Asking(setup.run_id, setup.lockstep)
        self._judge = Judge()
        self._label = self.create_client(Label, "/session/label")
        self.create_subscription(SessionState, "/session/state", self._asking.on_session, qos.changes())
        self.create_subscription(SimState, "/sim/state", self._on_state, qos.stream(setup.lockstep))

    def _on_state(self, state: SimState) -> None:
        question = self._asking.question(state.episode, state.chunk_end)
        if question is None:
            return
        scene = Scene.from_text(state.scene)
        verdict = self._judge(convert.vector(state.qpos), convert.vector(state.qvel), scene)
        label = self._asking.answer(question, verdict.outcome.value)
        if not label:
            return
        request = Label.Request(
            command_id=f"{AUTHOR}-{state.episode}-{question.chunk}-{label}",
            episode=state.episode,
            chunk=question.chunk,
            label=label,
            author=AUTHOR,
            stamp=state.header.stamp,
        )
        self.call(self._label, request, lambda response: self._on_answer(request, response))

    def _on_answer(self, request: Label.Request, response: Label.Response) -> None:
        if not response.accepted:
            what = f"{request.label} for chunk {request.chunk} of episode {request.episode}"
            self.get_logger().warning(f"label {what} refused: {response.reason}")


def main() -> None:
    """Run the node."""
    run(AutoJudge)


if __name__ == "__main__":
    main()
