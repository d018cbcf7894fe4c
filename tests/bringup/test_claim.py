"""What one process of a machine has at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from zprl_bringup.claim import claim_arm, claim_domain
from zprl_core.config import load_rig
from zprl_core.errors import RigError

(XARM,) = load_rig("xarm6_place_orange").arms
ARM = replace(XARM, address=f"nowhere:{os.getpid()}")
OWNER = """
import sys, time
from zprl_bringup.claim import Claim
claim = Claim(f"arm {sys.argv[1]}")
print("held", flush=True)
time.sleep(60)
"""


def test_a_claim_goes_with_its_owner_and_names_it() -> None:
    command = [sys.executable, "-c", OWNER, ARM.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == "held\n"
        with pytest.raises(RigError, match=f"^arm {ARM.address}: process {owner.pid} of this machine has it"):
            claim_arm(ARM)
        owner.kill()
    claim_arm(ARM).close()


def test_a_claim_is_free_again_once_it_is_closed() -> None:
    mine = claim_domain(231)
    with pytest.raises(
        RigError, match=f"the session of ROS domain 231: process {os.getpid()} of .* another ROS_DOMAIN_ID$"
    ):
        claim_domain(231)
    claim_domain(230).close()
    mine.close()
    mine.close()
    claim_domain(231).close()
