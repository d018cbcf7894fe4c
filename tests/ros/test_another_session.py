"""A session that hears another one's, as of another machine, before it has asked a node for anything."""

from __future__ import annotations

from pathlib import Path

import rclpy
from zprl_interfaces.msg import SessionState

from tests.ros.harness import graph
from zprl_bringup import qos
from zprl_core.plan import Block


def test_a_session_ends_where_another_one_is_heard(tmp_path: Path) -> None:
    with graph(tmp_path / "g", lockstep=False, blocks=(Block("base_c", "base_c", episodes=1),)) as g:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=g.domain)
        node = rclpy.create_node("elsewhere", context=context)
        try:
            announced = node.create_publisher(SessionState, "/session/state", qos.changes())
            announced.publish(SessionState(run_id="their-run", state="running"))
            session = g.start("session", managed_nodes=["bridge"])  # which nobody starts
            assert session.wait(60) == 2
        finally:
            node.destroy_node()
            rclpy.shutdown(context=context)
        heard = "error: another session, run their-run, has this ROS domain already (this is run test-run)"
        assert heard in g.log("session")
