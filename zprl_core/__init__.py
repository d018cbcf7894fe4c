# SPDX-License-Identifier: Apache-2.0
"""ZPRL: steer a frozen robot policy by perturbing its bottleneck latent. Importing this is cheap."""

__version__ = "0.1.0"
