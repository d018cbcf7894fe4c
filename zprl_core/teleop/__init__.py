"""From a person's hand to where an arm shall be. No ROS, no network; time is an argument."""

from zprl_core.teleop.clutch import Clutch, ClutchSettings, Grasp, HandSample, Target
from zprl_core.teleop.way import Pace, way_to

__all__ = ["Clutch", "ClutchSettings", "Grasp", "HandSample", "Pace", "Target", "way_to"]
