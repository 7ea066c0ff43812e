# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""All pods of a hub have the site's variables, proxy and CAs; the operator's own variables win."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.environment import TRUSTED_CA
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.survey import Survey

from tests.unit.kojihub.namespace import HubRole
from tests.unit.kojihub.test_survey import Cluster
from tests.unit.resources.cluster import Authority, resource

from .rendering import rendered

PROXY = "http://proxy.example.org:3128"
SITE = [
    {"name": "TZ", "value": "UTC"},
    {"name": "PGHOST", "value": "elsewhere"},
    {"name": "HOME", "value": "/root"},
    {"name": "no_proxy", "value": "*"},
]
HOSTILE = ('"x\'\n  evil: "yes"\n- x\n---\n', "a\u0085evil: b\u2028evil: c", "['x', {\"evil\": [True, None]}]")
PODS = {
    "hub.deployment.yaml.j2": ("hub",),
    "database.job.yaml.j2": ("database", "HOME", "PGHOST", "PYTHONPATH"),
    "sweep_db.cronjob.yaml.j2": ("koji-sweep-db", "HOME"),
    "gc.cronjob.yaml.j2": ("koji-gc", "HOME"),
}


def pod(template: str, **spec: Any) -> dict[str, Any]:
    """The pod's spec that a template makes."""
    cluster = Cluster()
    cluster.add("ConfigMap", "cas", {"ca-bundle.crt": Authority().certificate})
    HubRole(cluster).run()
    cleanup = {"sweep_db": {"enabled": True}, "gc": {"enabled": True}}
    hub = resource("KojiHub", "hub", cleanup=cleanup, **spec)
    manifest = rendered(template, hub, Survey(hub, cluster).run())["spec"]
    found: dict[str, Any] = manifest.get("jobTemplate", {"spec": manifest})["spec"]["template"]["spec"]
    return found


def variables(found: dict[str, Any]) -> dict[str, Any]:
    """Those of the first container, each of which is there once."""
    entries = found["containers"][0]["env"]
    names = [entry["name"] for entry in entries]
    assert len(names) == len(set(names)), f"one is there twice: {sorted(names)}"
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}


@pytest.mark.parametrize("template", PODS)
def test_the_site_s_variables_win_over_its_proxy_s_and_the_operator_s_over_these(template: str) -> None:
    found = pod(template, env=SITE, proxy={"https_proxy": PROXY})
    assert found["containers"][0]["name"] == PODS[template][0]
    seen = variables(found)
    assert (seen["TZ"], seen["HTTPS_PROXY"], seen["no_proxy"]) == ("UTC", PROXY, "*")
    for name in PODS[template][1:]:
        assert seen[name] != {entry["name"]: entry["value"] for entry in SITE}.get(name)


@pytest.mark.parametrize("template", PODS)
def test_hostile_strings_are_as_they_were_written(template: str) -> None:
    """What a macro returns is no Python literal to Ansible."""
    site = [{"name": f"HOSTILE_{n}", "value": text} for n, text in enumerate(HOSTILE)]
    context = {"sysctls": [{"name": f"net.x{n}", "value": text} for n, text in enumerate(HOSTILE)]}
    found = pod(template, env=site, security_context=context)
    assert [entry for entry in found["containers"][0]["env"] if entry["name"].startswith("HOSTILE")] == site
    assert found["securityContext"]["sysctls"] == context["sysctls"]


@pytest.mark.parametrize("template", PODS)
def test_the_site_s_cas_are_trusted(template: str) -> None:
    found = pod(template, trusted_ca_configmap="cas")
    assert variables(found)["SSL_CERT_FILE"] == TRUSTED_CA
    [first] = found["initContainers"]
    assert first["securityContext"]["readOnlyRootFilesystem"]
    mounted = {mount["name"] for mount in found["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in found["volumes"]}
    assert mounted <= set(volumes)
    assert "trust" in mounted
    assert volumes["trusted-ca"]["configMap"]["name"] == "cas"


@pytest.mark.parametrize("template", PODS)
def test_without_such_wishes_nothing_of_them_is_there(template: str) -> None:
    found = pod(template)
    assert "initContainers" not in found
    assert not {"TZ", "HTTP_PROXY", "SSL_CERT_FILE"} & set(variables(found))
    assert not {"trust", "trusted-ca"} & {volume["name"] for volume in found["volumes"]}
