# SPDX-License-Identifier: Apache-2.0
"""What keeps a session's nodes from being started on this host."""

from __future__ import annotations

import os
from collections.abc import Sequence

from zprl_core import single_host
from zprl_core.graph import NodeSpec
from zprl_core.panel_address import PanelAddress

PAGES = {
    "panel_node": ("panel", "--panel", "panel_link"),
    "teleop_node": ("teleoperation", "--teleop", "teleop_link"),
}
"""What people call a node's page, its option, and the property of the run's folder that names its link."""


def check_host(nodes: Sequence[NodeSpec]) -> None:
    """Look for what starting a node again and again would not cure.

    Raises:
        RigError: the ROS domain is taken, or a page cannot be served at its address.
        ConfigError: ROS_DOMAIN_ID is no domain, or an address none.
    """
    with single_host.free_domain(os.environ):
        pass
    for node in nodes:
        if node.executable in PAGES:
            page, option, _ = PAGES[node.executable]
            PanelAddress.parse(str(node.parameters["address"])).require_free(page, option)
