"""A camera's picture for a page."""

from __future__ import annotations

import cv2
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image

from zprl_bringup import convert

QUALITY = 80
cv2.setNumThreads(1)


def jpeg(raw: bytes) -> bytes:
    """A serialised `sensor_msgs/msg/Image` as JPEG."""
    bgr = cv2.cvtColor(convert.image_array(deserialize_message(raw, Image)), cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])
