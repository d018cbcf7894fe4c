# SPDX-License-Identifier: Apache-2.0
"""Reports of experiments: the paper's figures and tables from the trials that are there."""
