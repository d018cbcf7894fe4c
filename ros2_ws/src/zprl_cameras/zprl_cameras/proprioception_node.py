"""Joint angles and gripper widths of all arms, in the task's order, as one topic."""

from __future__ import annotations

from functools import partial

import numpy as np
from zprl_interfaces.msg import ArmState
from zprl_interfaces.msg import Proprioception as ProprioceptionMessage

from zprl_bringup import convert, qos
from zprl_bringup.node import Node, run
from zprl_cameras.proprioception import ArmSample, Assembler


class ProprioceptionNode(Node):
    """Publishes /proprioception whenever the states of all arms at one stamp are known."""

    def __init__(self) -> None:
        super().__init__("proprioception_node")
        setup = self.setup()
        self._assembler = Assembler(setup.rig.proprioception)
        profile = qos.stream(setup.lockstep)
        self._publisher = self.create_publisher(ProprioceptionMessage, "/proprioception", profile)
        for arm in self._assembler.arms:
            self.create_subscription(ArmState, f"/arms/{arm}/state", partial(self._on_state, arm), profile)

    def _on_state(self, arm: str, state: ArmState) -> None:
        fields = {"joint_position_rad": convert.vector(state.joint_position_rad)}
        if np.isfinite(state.gripper_width_m):
            fields["gripper_width_m"] = np.array([state.gripper_width_m])
        for joined in self._assembler.add(arm, ArmSample(convert.stamp_ns(state), fields)):
            message = ProprioceptionMessage(
                header=convert.header(joined.stamp_ns), q=convert.doubles(joined.q)
            )
            self._publisher.publish(message)


def main() -> None:
    """Run the node."""
    run(ProprioceptionNode)


if __name__ == "__main__":
    main()
