# SPDX-License-Identifier: Apache-2.0
"""zprl sim-xarm: an xArm control box in software, for the real driver and the vendor's SDK."""

from __future__ import annotations

import argparse

NAME = "sim-xarm"
HELP = "simulate an xArm control box that the vendor's SDK connects to"
DESCRIPTION = """\
Listens on the vendor's ports of an address of this machine, so that the xArm SDK and a rig with driver xarm
and this address connect to it as to a real control box. Behind it is the Place Orange world with an xArm-6
(scene place_orange), or an arm alone (scene bench). Runs in real time until Ctrl-C.

Port 502 needs a privilege: root, or once
  sudo sysctl net.ipv4.ip_unprivileged_port_start=502

Another port of the same address is a test bench: it resets the world, follows it, injects faults and measures
motion; zprl_sim/xarm_box/client.py is its client. What the box assumes of real ones: docs/sim_xarm.md.
"""
EXAMPLE = """\
  zprl sim-xarm --scene place_orange --gripper robotiq_2f85
  zprl sim-xarm --address 127.0.0.3 --model xarm6 --scene bench --gripper xarm_gripper
"""
_MODELS = ("lite6", "xarm5", "xarm6", "xarm7", "xarm850")
_SCENES = ("place_orange", "bench")
_GRIPPERS = ("robotiq_2f85", "xarm_gripper")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--address",
        default="127.0.0.2",
        metavar="IP",
        help="where to listen; any 127.x.y.z is this machine (default: 127.0.0.2)",
    )
    parser.add_argument("--model", default="xarm6", choices=_MODELS, help="which arm (default: xarm6)")
    parser.add_argument(
        "--scene", default="bench", choices=_SCENES, help="what is around it (default: bench, nothing)"
    )
    parser.add_argument("--gripper", choices=_GRIPPERS, help="what is at its end (default: nothing)")
    parser.add_argument("--serial", metavar="S", help="serial number of the arm (default: the model's)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_sim.xarm_box.run import serve

    def ready(text: str) -> None:
        print(text, flush=True)

    serve(args.address, args.model, args.scene, args.gripper, ready, serial=args.serial)
    return 0
