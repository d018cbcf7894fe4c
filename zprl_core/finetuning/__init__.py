# SPDX-License-Identifier: Apache-2.0
"""Full fine-tuning of a flow policy by on-policy learning: the baselines DPPO and ReinFlow."""
