# SPDX-License-Identifier: Apache-2.0
"""The frozen policy at the speed of the machine it runs on; see `backend`."""
