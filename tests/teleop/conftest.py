"""What tests of people share: a collection that they demonstrate in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.teleop.collection import Collection, collecting


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """A collection of its own for each file of tests."""
    with collecting(tmp_path_factory.mktemp("demos") / "run", "--episodes", "50") as made:
        yield made
