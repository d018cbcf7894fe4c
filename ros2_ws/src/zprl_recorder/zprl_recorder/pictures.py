"""Pictures as JPEG, for rigs whose disk cannot hold raw ones."""

from __future__ import annotations

from collections.abc import Collection

import cv2
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from zprl_bringup import convert

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
FORMAT = "rgb8; jpeg compressed bgr8"
"""How image_transport names the encoding before, and inside, the JPEG."""


def as_jpeg(topic: str, type_name: str, cameras: Collection[str]) -> bool:
    """Whether a topic is one of the rig's colour cameras, which send rgb8. Depth would be spoilt by JPEG, and
    what other nodes send may be anything.
    """
    return topic in cameras and type_name == IMAGE


def compress(data: bytes, quality: int) -> bytes:
    """A serialised rgb8 Image to a serialised CompressedImage with the same header.

    Raises:
        DataError: another encoding.
    """
    image = deserialize_message(data, Image)
    pixels = cv2.cvtColor(convert.image_array(image), cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    message = CompressedImage(header=image.header, format=FORMAT)
    message._data = jpeg.reshape(-1)  # as in convert.image_message: the setter looks at every byte
    return bytes(serialize_message(message))
