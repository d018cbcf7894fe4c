# SPDX-License-Identifier: Apache-2.0
"""The edge to libraries that read files: what they raise about a damaged one becomes an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zprl_core.errors import DataError

_RAISED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SystemError,
    TypeError,
    ValueError,
)
"""h5py, zarr, pyarrow and PyAV raise all of these, and subclasses, about bytes that make no sense."""


@contextmanager
def reading(where: str, advice: str = "the file is damaged, download or export it again") -> Iterator[None]:
    """For a block that calls such a library and little else.

    Raises:
        DataError: the block raised anything that a library raises about a file; says `where`.
    """
    try:
        yield
    except _RAISED as error:
        raise DataError(f"{where}: cannot be read ({type(error).__name__}: {error}); {advice}") from error
