# SPDX-License-Identifier: Apache-2.0
"""`python -m zprl_core.cli` is the `zprl` command."""

import sys

from zprl_core.cli import main

sys.exit(main())
