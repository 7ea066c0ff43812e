# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Deleting everything at once, or the namespace, comes to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .hub import deploy_hub
from .resources import READY, SOON, builder, user

if TYPE_CHECKING:
    from pathlib import Path

    from .hub import Hub
    from .kube import Kube

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def busy(kube: Kube, namespace: str, tmp_path: Path) -> Hub:
    """A namespace of its own with a hub, a user and a builder with a running task."""
    hub = deploy_hub(kube, namespace, tmp_path)
    kube.apply([user("someone", namespace), builder("default", namespace)])
    for kind, name in (("KojiUser", "someone"), ("KojiBuilder", "default")):
        kube.wait_condition(kind, name, namespace, READY)
    task = hub.session().makeTask("sleep", [600])
    kube.wait_for(
        lambda: [
            pod for pod in kube.find("Pod", namespace, f"koji-task={task}") if pod["status"].get("phase") == "Running"
        ],
        SOON,
        "the task's pod runs",
    )
    return hub


def test_a_namespace_with_running_tasks_can_be_deleted(kube: Kube, busy: Hub) -> None:
    kube.delete("Namespace", busy.namespace)
    kube.wait_gone("Namespace", busy.namespace, None, 3 * SOON)


def test_resources_and_hub_deleted_at_once_are_gone_and_leave_a_note(kube: Kube, busy: Hub) -> None:
    namespace = busy.namespace
    kube.kubectl("delete", "kojiuser,kojibuilder,deployment,secret", "--all", "-n", namespace, "--wait=false")
    for kind, name in (("KojiUser", "someone"), ("KojiBuilder", "default")):
        kube.wait_gone(kind, name, namespace, 3 * SOON)
    notes = [event["message"] for event in kube.events(namespace) if event["reason"] == "LeftBehind"]
    assert any("'someone'" in note for note in notes), notes
    assert kube.get("ConfigMap", "koji-schedule", namespace) is not None
