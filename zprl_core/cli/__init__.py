# SPDX-License-Identifier: Apache-2.0
"""The `zprl` command. Each command is a module of its own; nothing heavy loads before one runs."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence

from zprl_core.cli.parser import parse
from zprl_core.errors import ZprlError

USER_ERROR = 2
INTERRUPTED = 130
NOT_READ = 141
STDOUT = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 after a user's mistake, 130 after Ctrl-C, 141
    where what it prints is not read to its end.
    """
    args = parse(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except ZprlError as error:
        print(f"zprl {args.command}: error: {error}", file=sys.stderr)
        return USER_ERROR
    except OSError as error:  # a full or read-only disk, no permission: nothing that a traceback explains
        if _nobody_reads(error):
            return NOT_READ
        print(f"zprl {args.command}: error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt as error:
        then = f"; {error}" if error.args else ""
        print(f"zprl {args.command}: interrupted{then}", file=sys.stderr)
        return INTERRUPTED
    return code


def _nobody_reads(error: OSError) -> bool:
    """Whether it is standard output that broke, as in `zprl ... | head`; nothing more is written then."""
    if not isinstance(error, BrokenPipeError):
        return False
    look = select.poll()
    look.register(STDOUT, 0)
    broken = any(event & select.POLLERR for _, event in look.poll(0))
    if broken:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return broken
