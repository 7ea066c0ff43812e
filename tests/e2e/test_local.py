# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""playbooks/local.yml: one pass over every resource by ansible-playbook alone, without the operator."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from typing import TYPE_CHECKING

import koji

from tests.devloop.environment import environment

from .hub import deploy_hub
from .kube import condition
from .resources import SOON, builder, user

if TYPE_CHECKING:
    from pathlib import Path

    from .kube import Kube


def local(checkout: Path, namespace: str, seconds: int) -> str:
    """Run the playbook as README says."""
    done = subprocess.run(
        [
            f"{sysconfig.get_path('scripts')}/ansible-playbook",
            str(checkout / "playbooks" / "local.yml"),
            *("-e", f"namespace={namespace}", "-e", f"schedule_seconds={seconds}"),
        ],
        env=environment(os.environ, checkout),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_pass_without_the_operator(
    kube: Kube, definitions: None, namespace: str, checkout: Path, tmp_path: Path
) -> None:
    hub = deploy_hub(kube, namespace, tmp_path)
    kube.apply([user("someone", namespace, permissions=["repo"]), builder("default", namespace)])
    task = hub.session().makeTask("sleep", [1])

    local(checkout, namespace, 20)
    kube.wait_condition("KojiUser", "someone", namespace, 1)
    assert hub.session().getUserPerms("someone") == ["repo"]
    # Its pod goes on without the scheduler.
    kube.wait_for(
        lambda: koji.TASK_STATES[hub.session().getTaskInfo(task)["state"]] == "CLOSED", SOON, "the task is closed"
    )
    found = kube.get("Secret", "koji-someone-client-cert", namespace)
    assert found is not None
    assert found["metadata"]["ownerReferences"][0]["kind"] == "KojiUser"

    # What the scheduler said in the first pass is in the second one's status.
    said = local(checkout, namespace, 0)
    assert "failed=0" in said
    made = kube.wait_condition("KojiBuilder", "default", namespace, 1)
    assert condition(made, "Scheduling")["status"] == "True"
