# SPDX-License-Identifier: Apache-2.0
"""The `zprl` command. Each command is a module of its own; nothing heavy loads before one runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from zprl_core.cli.parser import build_parser
from zprl_core.errors import ZprlError

USER_ERROR = 2
INTERRUPTED = 130
NOT_READ = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 after a user's mistake, 130 after Ctrl-C, 141
    where what it prints is not read to its end.
    """
    args = build_parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except ZprlError as error:
        print(f"zprl {args.command}: error: {error}", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:  # of `zprl ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_READ
    except OSError as error:  # a full or read-only disk, no permission: nothing that a traceback explains
        print(f"zprl {args.command}: error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print(f"zprl {args.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code
