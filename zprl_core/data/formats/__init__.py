# SPDX-License-Identifier: Apache-2.0
"""Datasets of other libraries, in and out; docs/dataset_formats.md says what maps to what.

Readers give an episode at a time as the source names it (`source.Source`), `importing` turns it into one of
ours, writers take ours. Nothing here needs torch or ROS; h5py, pyarrow, av and zarr load where a format needs
them.
"""
