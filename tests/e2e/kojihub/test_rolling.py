# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Two replicas are changed, given a new certificate and stopped, and no request is lost."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.devhub.manifests import secret
from tests.e2e.resources import READY, SOON

from .load import Load, call

if TYPE_CHECKING:
    from tests.devhub.certificates import Pair
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .site import Site

NAME = "koji-hub"
CERTIFICATE = "site-hub-cert"
ENOUGH = 200  # requests; far fewer than come together, far more than a restart without a loss by luck
FAULTS = "/tmp/devhub-faults.json"  # noqa: S108 - the pod's own
SLOW = 8  # seconds that a request takes which a stop must not cut off
SHARED: dict[str, Any] = {
    "persistent": True,
    "replicas": 2,
    "mnt_pvc_access_modes": ["ReadWriteMany"],
    "httpd_pvc_access_modes": ["ReadWriteMany"],
    "env": [{"name": "DEVHUB_FAULTS", "value": FAULTS}],
}


@pytest.fixture(scope="module")
def hub(site: Site) -> Hub:
    """Two replicas, with a certificate that the operator made."""
    return site.ready(**SHARED)


def living(site: Site) -> dict[str, Json]:
    """The pods that aren't about to end, by name."""
    return {pod["metadata"]["name"]: pod for pod in site.pods() if not pod["metadata"].get("deletionTimestamp")}


def replaced(kube: Kube, site: Site, before: set[str]) -> None:
    """Wait until two others serve, and those that were there before are gone."""

    def done() -> bool:
        there = {pod["metadata"]["name"]: pod for pod in site.pods()}
        ready = [pod for pod in there.values() if _is_ready(pod)]
        return len(ready) == len(there) == SHARED["replicas"] and not before & set(there)

    kube.wait_for(done, READY, "all pods are new", lambda: [pod["metadata"]["name"] for pod in site.pods()])


def _is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any((c["type"], c["status"]) == ("Ready", "True") for c in conditions)


def assert_none_lost(load: Load, sent: int = ENOUGH) -> None:
    assert not load.lost, f"{len(load.lost)} of {load.sent} requests were lost: {load.lost[:10]}"
    assert load.sent >= sent


def test_two_replicas_have_a_budget_that_drains_one_at_a_time(kube: Kube, hub: Hub) -> None:
    budget = kube.wait_object(
        "PodDisruptionBudget",
        NAME,
        hub.namespace,
        lambda item: (item.get("status") or {}).get("currentHealthy") == SHARED["replicas"],
        SOON,
        "it sees both pods",
        "policy/v1",
    )
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["status"]["disruptionsAllowed"] == 1


def test_a_rolling_restart_loses_no_request(kube: Kube, site: Site, hub: Hub) -> None:
    before = set(living(site))
    with Load(hub) as load:
        site.apply(**SHARED | {"env": [*SHARED["env"], {"name": "CHANGED", "value": "yes"}]})
        replaced(kube, site, before)
        site.wait()
    assert_none_lost(load)


def test_a_replaced_certificate_reaches_httpd_without_a_lost_request(kube: Kube, site: Site, hub: Hub) -> None:
    """First the site gives a certificate of its own, then it puts another one in its place."""
    names = [f"{NAME}.{hub.namespace}.svc", NAME, f"{NAME}.{hub.namespace}", "localhost"]
    pairs = [hub.deployed.authority.issue(names[0], names) for _ in range(2)]
    with Load(hub) as load:
        for number, pair in enumerate(pairs):
            before = set(living(site))
            kube.apply(_certificate(hub, pair))
            if number == 0:
                site.apply(**SHARED, service_cert_secret=CERTIFICATE)
            else:
                # Nothing in the resource changes: the operator has to notice by itself.
                _call_the_operator(kube, hub)
            replaced(kube, site, before)
            assert call(hub).certificate == _fingerprint(pair)
    assert_none_lost(load)
    assert {_fingerprint(pair) for pair in pairs} <= load.certificates, "both were served under load"


def _certificate(hub: Hub, pair: Pair) -> Json:
    texts = {"tls.crt": pair.certificate, "tls.key": pair.key}
    return secret(CERTIFICATE, hub.namespace, texts, "kubernetes.io/tls")


def _fingerprint(pair: Pair) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.certificate)).hexdigest()


def _call_the_operator(kube: Kube, hub: Hub) -> None:
    """Not to wait for the next period, which is minutes: an object of the hub's is touched, as anyone's edit would."""
    kube.patch("Service", NAME, hub.namespace, {"metadata": {"labels": {"koji.test/touched": "yes"}}})


def test_a_stop_waits_for_a_request_that_is_being_worked_on(kube: Kube, site: Site, hub: Hub) -> None:
    pods = living(site)
    rule = json.dumps([{"kind": "slow", "method": "echo", "seconds": SLOW, "times": 1}])
    script = f"import pathlib; pathlib.Path({FAULTS!r}).write_text({rule!r})"
    for name in pods:
        kube.kubectl("exec", "-n", hub.namespace, name, "-c", "hub", "--", "python3", "-c", script)
    answers: list[str] = []

    def ask() -> None:
        try:
            answers.append(call(hub, "echo", "<param><value><string>still here</string></value></param>").body)
        except (OSError, ValueError) as error:
            answers.append(repr(error))

    asked = threading.Thread(target=ask)
    asked.start()
    [busy] = kube.wait_for(lambda: _struck(kube, hub, pods), SOON, "a pod works on the request")
    assert asked.is_alive()
    with Load(hub) as load:
        kube.delete("Pod", busy, hub.namespace)
        asked.join()
        kube.wait_gone("Pod", busy, hub.namespace, SOON)
    assert len(answers) == 1
    assert "still here" in answers[0], answers[0]
    assert_none_lost(load, 1)
    replaced(kube, site, {busy})


def _struck(kube: Kube, hub: Hub, pods: dict[str, Json]) -> list[str]:
    """The pods in which the slow request is; the file may be about to be written."""
    script = f"import pathlib; print(pathlib.Path({FAULTS!r}).read_text())"
    words = ("-c", "hub", "--", "python3", "-c", script)
    return [name for name in pods if '"hits": 1' in kube.kubectl("exec", "-n", hub.namespace, name, *words)]


def test_pods_that_go_one_by_one_lose_no_request(kube: Kube, site: Site, hub: Hub) -> None:
    """A drain: each pod is evicted once the other one is ready again."""
    with Load(hub) as load:
        for name in list(living(site)):
            path = f"/api/v1/namespaces/{hub.namespace}/pods/{name}/eviction"
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
            answer = kube.client.call_api(path, "POST", body=body, auth_settings=["BearerToken"])
            assert answer[1] == 201
            replaced(kube, site, {name})
    assert_none_lost(load)


def test_no_pod_has_complained_of_its_stop(kube: Kube, hub: Hub) -> None:
    """Last: many have been stopped by now."""
    reasons = {event["reason"] for event in kube.find("Event", hub.namespace)}
    assert "Killing" in reasons
    assert not {"FailedPreStopHook", "FailedKillPod"} & reasons
