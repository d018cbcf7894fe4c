"""Prints, as JSON, the topics and services, with their types, that a node on this domain sees.

python list_graph.py SECONDS TOPIC...     waits for the topics, at most so long
"""

from __future__ import annotations

import json
import sys
import time

import rclpy


def main() -> None:
    """Look until all are there."""
    rclpy.init()
    node = rclpy.create_node("onlooker")
    wanted, deadline = set(sys.argv[2:]), time.monotonic() + float(sys.argv[1])
    while time.monotonic() < deadline:
        topics = dict(node.get_topic_names_and_types())
        if wanted <= set(topics):
            break
        time.sleep(0.2)
    services = dict(node.get_service_names_and_types())
    print(json.dumps({"topics": topics, "services": services}))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
