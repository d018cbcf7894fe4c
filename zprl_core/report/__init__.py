# SPDX-License-Identifier: Apache-2.0
"""The paper's figures and tables from runs of ours: run folders in; HTML, PNG, CSV and Markdown out."""
