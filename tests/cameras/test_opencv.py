"""OpenCV's own log is kept down, in the OpenCV of pip and in that of Ubuntu 24.04."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import pytest

from zprl_cameras.camera_node import quiet_opencv


@pytest.fixture
def level() -> Iterator[None]:
    before = cv2.utils.logging.getLogLevel()
    yield
    cv2.utils.logging.setLogLevel(before)


def test_only_errors_are_logged(level: None) -> None:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)
    quiet_opencv()
    assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_ERROR == 2


def test_also_where_opencv_is_4_6(monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[int] = []
    monkeypatch.delattr(cv2.utils, "logging")
    monkeypatch.setattr(cv2, "setLogLevel", levels.append, raising=False)
    quiet_opencv()
    assert levels == [2]
