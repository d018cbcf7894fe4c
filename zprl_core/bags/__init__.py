# SPDX-License-Identifier: Apache-2.0
"""Bags: one MCAP file an episode, in a folder that rosbag2 opens. No ROS, no clock; see docs/bags.md.

`writer` writes one, `recovery` restores one that a kill cut off, `reading` says what is in one, `episodes`
decides when one begins and ends, and `labels` keeps what is said about an outcome equal to episodes.jsonl.
"""
