# SPDX-License-Identifier: Apache-2.0
"""The paper's simulation section: benchmark tasks, baselines, and experiments as data. No ROS."""
