# SPDX-License-Identifier: Apache-2.0
"""Simulated Place Orange rig: xArm-6 twin, scripted expert, automatic judge. No ROS, no torch."""
