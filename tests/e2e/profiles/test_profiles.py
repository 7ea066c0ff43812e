# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Security profiles: what their pods can do, in namespaces that enforce the level each one claims."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.kube import condition
from tests.e2e.resources import READY

from .conftest import TASK_TIME

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

pytestmark = pytest.mark.usefixtures("operator")

BUILT = {"setuid": True, "setcap": True, "uid": 1000, "tmp": ["there"], "capabilities": 0, "product": "built\n"}
# Numbers of <linux/capability.h>.
SETGID, SETUID = 6, 7
SYSADMIN = {0, 1, 3, 4, 5, SETGID, SETUID, 18, 21, 31}


def scheduling(kube: Kube, hub: Hub, name: str, reason: str) -> str:
    """Wait until the builder's condition Scheduling has this reason; its message."""

    def holds(item: Json) -> bool:
        found = condition(item, "Scheduling")
        return (found.get("status"), found.get("reason")) == ("False", reason)

    item = kube.wait_object("KojiBuilder", name, hub.namespace, holds, TASK_TIME, f"Scheduling says {reason}")
    return str(condition(item, "Scheduling")["message"])


def test_userns_does_what_mock_does_under_baseline(
    enforce: Callable[[str], None], make: Callable[..., int], result: Callable[[int], Any]
) -> None:
    enforce("baseline")
    found = result(make("userns", "mockBuild", "f42-build-1-1"))
    assert found["outside"] == 100000, "root in the chroot is not the node's"
    assert set(found.pop("bounding")) == {SETGID, SETUID}
    assert found == {**BUILT, "outside": 100000, "root": "EROFS"}


def test_only_pods_of_volume_methods_have_the_volume_and_they_read_it(
    enforce: Callable[[str], None], make: Callable[..., int], result: Callable[[int], Any]
) -> None:
    enforce("baseline")
    tasks = [make("userns", "withVolume"), make("userns", "withoutVolume")]
    assert [result(task)["there"] for task in tasks] == [True, False]
    assert result(tasks[0])["write"] == "EROFS"


def test_a_namespace_that_forbids_the_profile_is_named_and_recovery_is_automatic(
    kube: Kube, hub: Hub, enforce: Callable[[str], None], make: Callable[..., int], result: Callable[[int], Any]
) -> None:
    enforce("baseline")
    task = make("sysadmin", "mockBuild", "f42-build-2-1")
    message = scheduling(kube, hub, "sysadmin", "SecurityProfileForbidden")
    assert f"namespace {hub.namespace} enforces Pod Security baseline" in message
    assert "security profile sysadmin does not fit: label the namespace" in message
    assert "pod-security.kubernetes.io/enforce=privileged, or set spec.security_profile to userns" in message
    enforce("privileged")
    found = result(task)
    assert set(found.pop("bounding")) == SYSADMIN
    assert found == {**BUILT, "outside": 0, "root": "EROFS"}


def test_restricted_runs_under_restricted(
    kube: Kube, hub: Hub, enforce: Callable[[str], None], make: Callable[..., int], result: Callable[[int], Any]
) -> None:
    enforce("restricted")
    result(make("restricted", "sleep", 0))
    config = kube.get("ConfigMap", "koji-restricted-builder", hub.namespace)
    assert config is not None
    spec = json.loads(config["data"]["pod.json"])["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_node_that_forbids_user_namespaces_is_named_and_the_shipped_seccomp_profile_helps(
    kube: Kube,
    hub: Hub,
    enforce: Callable[[str], None],
    make: Callable[..., int],
    result: Callable[[int], Any],
    node_profile: str,
) -> None:
    enforce("baseline")
    task = make("filtered", "mockBuild", "f42-build-3-1")
    message = scheduling(kube, hub, "filtered", "UserNamespacesForbidden")
    assert "unshare: Operation not permitted: a seccomp profile (RuntimeDefault is one)" in message
    assert "Set spec.seccomp_profile to a profile of the nodes that allows unshare" in message
    assert "or spec.security_profile to sysadmin" in message
    assert not hub.session().getHost("filtered")["ready"]

    kube.patch(
        "KojiBuilder",
        "filtered",
        hub.namespace,
        {"spec": {"security_context": None, "seccomp_profile": node_profile}},
    )
    found = result(task)
    assert set(found.pop("bounding")) == {SETGID, SETUID}
    assert found == {**BUILT, "outside": 100000, "root": "EROFS"}
    kube.wait_condition("KojiBuilder", "filtered", hub.namespace, READY)
