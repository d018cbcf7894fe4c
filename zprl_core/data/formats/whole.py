# SPDX-License-Identifier: Apache-2.0
"""Exports appear whole or not at all: written into a hidden sibling, which is renamed at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zprl_core.errors import DataError
from zprl_core.run_folder import make_folder


@contextmanager
def whole(out: Path, name: str | None = None) -> Iterator[Path]:
    """A hidden folder beside `out`; where the block succeeds it, or the file `name` in it, becomes `out`.

    Raises:
        DataError: `out` is there already, or the disk is full; nothing is left.
    """
    out = out.absolute()
    _refuse_taken(out)
    make_folder(out.parent)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        beside.chmod(0o755)
        yield beside
        _refuse_taken(out)
        (beside if name is None else beside / name).replace(out)
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written ({error.strerror or error}); nothing of it is kept"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _refuse_taken(out: Path) -> None:
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists():
        raise DataError(f"{out}: is there already; choose another --out, or remove it")
