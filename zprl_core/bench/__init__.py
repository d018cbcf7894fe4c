# SPDX-License-Identifier: Apache-2.0
"""`zprl bench`: what the hot paths cost here, beside what a user would otherwise run."""
