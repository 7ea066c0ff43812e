# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The CRDs on a real API server: installed, established, and strict where they should be. No operator is needed."""

import json
from pathlib import Path

import pytest
import yaml

from tools import crds as generator
from tools import kubernetes_types

from .kube import Json, Kube, condition
from .operator import CHECKOUT

API_VERSION = "apps.fedoraproject.org/v1alpha1"
PLURALS = {
    "KojiBuilder": "kojibuilders",
    "KojiHub": "kojihubs",
    "Kojira": "kojiras",
    "KojiUser": "kojiusers",
    "KojiWeb": "kojiwebs",
}
SCALED = ("KojiBuilder", "KojiHub", "KojiWeb")
DRAFTS = sorted((CHECKOUT / "tests" / "unit" / "crds" / "drafts").glob("*.yaml"))
HOSTILE = ("a\nb: c", "{{ lookup('pipe', 'id') }}", "$(id)", "../a", "Upper", "a b", "-a", "a" * 254)
# Where a name of a Secret, ConfigMap or claim goes.
NAMES = {
    "KojiBuilder": ("admin_secret", "cacert_secret", "client_cert_secret", "configmap", "shared_pvc"),
    "KojiHub": ("ca_cert_secret", "service_cert_secret", "postgres_secret", "configmap", "mnt_pvc_name"),
    "Kojira": ("admin_secret", "cacert_secret", "client_cert_secret", "configmap", "shared_pvc"),
    "KojiUser": ("admin_secret", "cacert_secret", "client_cert_secret"),
    "KojiWeb": ("cacert_secret", "client_cert_secret", "service_cert_secret", "configmap", "theme_configmap"),
}


@pytest.fixture(scope="module", autouse=True)
def crds(kube: Kube) -> None:
    """The CRDs of the checkout, installed as a person does it."""
    kube.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(CHECKOUT / "config" / "crd"))
    names = [f"crd/{plural}.apps.fedoraproject.org" for plural in PLURALS.values()]
    kube.kubectl("wait", "--for=condition=Established", "--timeout=90s", *names)


def resource(kind: str, spec: Json | None = None, name: str = "sample") -> Json:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec or {}}


def dry_run(kube: Kube, item: Json) -> Json:
    """The resource as the API server would store it."""
    text = kube.kubectl(
        *("create", "--dry-run=server", "--validate=strict", "-o", "json", "-n", "default", "-f", "-"),
        stdin=json.dumps(item),
    )
    stored: Json = json.loads(text)
    return stored


def refusal(kube: Kube, item: Json) -> str:
    """What the API server says when it refuses the resource."""
    with pytest.raises(AssertionError) as refused:
        dry_run(kube, item)
    return str(refused.value)


def test_they_are_established_and_structural(kube: Kube) -> None:
    for plural in PLURALS.values():
        item = kube.get("CustomResourceDefinition", f"{plural}.apps.fedoraproject.org")
        assert item is not None
        assert condition(item, "Established")["status"] == "True"
        assert condition(item, "NamesAccepted")["status"] == "True"
        assert condition(item, "NonStructuralSchema") == {}


def test_they_can_be_applied_by_the_client_too(kube: Kube) -> None:
    """Plain `kubectl apply` keeps the object in an annotation, which must not be too long."""
    kube.kubectl("apply", "--dry-run=server", "-k", str(CHECKOUT / "config" / "crd"))


@pytest.mark.parametrize("path", DRAFTS, ids=lambda path: path.stem)
def test_the_proposals_samples_apply_as_they_stand(kube: Kube, path: Path) -> None:
    items = [item for item in yaml.safe_load_all(path.read_text("utf-8")) if item["kind"] in PLURALS]
    printed = kube.kubectl("apply", "--validate=strict", "--dry-run=server", "-n", "default", "-f", str(path))
    for item in items:
        assert f"{item['kind'].lower()}.apps.fedoraproject.org/{item['metadata']['name']} " in printed


def test_the_samples_apply(kube: Kube) -> None:
    printed = kube.kubectl(
        *("apply", "--validate=strict", "--dry-run=server", "-n", "default", "-k", str(CHECKOUT / "config" / "samples"))
    )
    for kind in PLURALS:
        assert f"{kind.lower()}.apps.fedoraproject.org/" in printed
    assert "secret/postgres " in printed


@pytest.mark.parametrize("kind", PLURALS)
def test_an_empty_spec_gets_the_defaults(kube: Kube, kind: str) -> None:
    spec = dry_run(kube, resource(kind))["spec"]
    assert spec["certificate"] == {"days": 365, "renew_before_days": 30, "key_type": "ECDSA"}
    assert "hub_host" not in spec
    if kind == "KojiBuilder":
        assert (spec["replicas"], spec["max_jobs"], spec["task_attempts"]) == (1, 1, 3)
        assert spec["failed_pod_history"] == {"count": 5, "max_age": 86400}
    if kind == "KojiHub":
        assert spec["hub_options"] == {"CheckClientIP": False, "RunInterval": 1, "SessionRenewalTimeout": 0}


@pytest.mark.parametrize("kind", PLURALS)
def test_a_name_has_forty_characters_at_most(kube: Kube, kind: str) -> None:
    dry_run(kube, resource(kind, name="a" * 40))
    assert "metadata.name may have 40 characters at most" in refusal(kube, resource(kind, name="a" * 41))


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("KojiBuilder", {"max_jobs": 0}, "spec.max_jobs: Invalid value: 0: "),
        ("KojiBuilder", {"max_jobs": 0}, "should be greater than or equal to 1"),
        ("KojiBuilder", {"replicas": -1}, "should be greater than or equal to 0"),
        ("KojiBuilder", {"capacity": 1}, "spec.capacity"),
        ("KojiBuilder", {"security_profile": "privileged"}, 'supported values: "userns", "sysadmin", "restricted"'),
        ("KojiBuilder", {"seccomp_profile": "../x.json"}, "spec.seccomp_profile"),
        ("KojiBuilder", {"host_archs": []}, "should have at least 1 items"),
        ("KojiBuilder", {"channels": ["a", "a"]}, 'Duplicate value: "a"'),
        ("KojiBuilder", {"koji_hub_user": "a b"}, "spec.koji_hub_user"),
        ("KojiBuilder", {"hub_host": "koji hub:8443"}, "spec.hub_host"),
        ("KojiBuilder", {"hub_host": "https://koji-hub/\nevil: 1"}, "spec.hub_host"),
        (
            "KojiBuilder",
            {"overrides": [{"image": "x"}]},
            "name the tasks that this is for, by methods, channels or both",
        ),
        ("KojiBuilder", {"pod_disruption_budget": {"minAvailable": 1, "maxUnavailable": 1}}, "not both"),
        ("KojiBuilder", {"max_job": 1}, 'unknown field "spec.max_job"'),
        ("KojiBuilder", {"affinity": {"nodeAfinity": {}}}, 'unknown field "spec.affinity.nodeAfinity"'),
        ("KojiBuilder", {"resources": {"limits": {"memory": "lots"}}}, "spec.resources.limits.memory"),
        ("KojiBuilder", {"resources": {"limits": {"cpu": 0.5}}}, "must be of type integer,string"),
        ("KojiBuilder", {"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "unknown field"),
        ("KojiHub", {"http_enabled": False, "https_enabled": False}, "both false, so nothing would be served"),
        ("KojiWeb", {"http_enabled": False, "https_enabled": False}, "both false, so nothing would be served"),
        ("KojiHub", {"persistent": False, "replicas": 2}, "set persistent to true or replicas to 1"),
        ("KojiHub", {"mnt_pvc_name": "x", "httpd_pvc_name": "x"}, "name the same claim"),
        (
            "KojiHub",
            {"fedora_messaging_url": "amqps://x", "fedora_messaging_secret": "x"},
            "give fedora_messaging_url or fedora_messaging_secret, not both",
        ),
        ("KojiHub", {"host": "koji_hub.example.org"}, "spec.host"),
        ("KojiHub", {"ingress_backend": "traefik"}, 'supported values: "nginx", "openshift", "none"'),
        ("KojiHub", {"hub_options": {"RunIntervall": 1}}, 'unknown field "spec.hub_options.RunIntervall"'),
        ("KojiHub", {"policies": {"tag = x\ny": "all :: allow"}}, "letters, digits and underscores only"),
        ("KojiHub", {"authentication": {"krb": {"keytab_secret": ""}}}, "Kerberos needs the keytab"),
        ("KojiHub", {"cleanup": {"gc": {"schedule": "often"}}}, "spec.cleanup.gc.schedule"),
        ("Kojira", {"src": "maybe"}, 'supported values: "yes", "no"'),
        ("KojiUser", {"permissions": [""]}, "spec.permissions[0]"),
        ("KojiUser", {"authentication": {"krb": {"keytab_secret": "x"}}}, "a keytab needs the principal"),
        ("KojiUser", {"certificate": {"days": 30}}, "renew_before_days must be less than days"),
    ],
)
def test_what_can_t_be_is_refused_with_a_reason(kube: Kube, kind: str, spec: Json, message: str) -> None:
    assert message in refusal(kube, resource(kind, spec))


@pytest.mark.parametrize("kind", PLURALS)
def test_hostile_names_are_refused(kube: Kube, kind: str) -> None:
    for hostile in HOSTILE:
        said = refusal(kube, resource(kind, dict.fromkeys(NAMES[kind], hostile)))
        for field in NAMES[kind]:
            assert f"spec.{field}: " in said, hostile


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("KojiBuilder", {"hub_host": "koji_hub:8443", "host_name": "", "koji_hub_user": ""}),
        ("KojiBuilder", {"koji_hub_url": "https://koji.example.org/kojihub"}),
        ("KojiBuilder", {"koji_hub_url": "https://[fd00::1]:8443/kojihub/"}),
        ("KojiBuilder", {"resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": 2}}}),
        ("KojiBuilder", {"capacity": 2.5, "volume_sizes": {"mock": "20Gi"}, "security_context": {"fsGroup": 0}}),
        ("KojiBuilder", {"tolerations": [{"operator": "Exists", "effect": ""}], "node_selector": {"a/b": ""}}),
        ("KojiHub", {"policies": {"build_from_srpm": "has_perm admin :: allow\nall :: deny"}}),
        ("KojiHub", {"http_enabled": True, "https_enabled": False, "mnt_pvc_access_modes": ["ReadWriteMany"]}),
        ("KojiHub", {"authentication": {"krb": {"keytab_secret": "k", "host_principal_format": "compile/%s@E.COM"}}}),
    ],
)
def test_what_people_write_is_accepted(kube: Kube, kind: str, spec: Json) -> None:
    stored = dry_run(kube, resource(kind, spec))["spec"]
    for field, value in spec.items():
        assert stored[field] == value


@pytest.mark.parametrize("kind", SCALED)
def test_scale_subresource(kube: Kube, namespace: str, kind: str) -> None:
    name = f"scaled-{kind.lower()}"
    kube.apply(resource(kind, name=name), namespace)
    kube.kubectl("scale", f"{kind.lower()}/{name}", "--replicas=3", "-n", namespace)
    kube.patch(kind, name, namespace, {"status": {"replicas": 2, "selector": "a=b"}}, status=True)
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURALS[kind]}/{name}/scale"
    scale = json.loads(kube.kubectl("get", "--raw", path))
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": "a=b"}
    item = kube.get(kind, name, namespace)
    assert item is not None
    assert item["spec"]["replicas"] == 3


def test_rules_hold_for_the_scale_subresource_too(kube: Kube, namespace: str) -> None:
    kube.apply(resource("KojiHub", {"persistent": False}), namespace)
    with pytest.raises(AssertionError, match="set persistent to true or replicas to 1"):
        kube.kubectl("scale", "kojihub/sample", "--replicas=2", "-n", namespace)


def test_get_koji_lists_all_kinds(kube: Kube, namespace: str, tmp_path: Path) -> None:
    kube.apply([resource(kind, name=f"listed-{kind.lower()}") for kind in PLURALS], namespace)
    # An own cache: kubectl keeps what the cluster told it of categories for ten minutes.
    listed = kube.kubectl("--cache-dir", str(tmp_path), "get", "koji", "-n", namespace, "-o", "name").split()
    assert sorted(listed) == sorted(f"{kind.lower()}.apps.fedoraproject.org/listed-{kind.lower()}" for kind in PLURALS)
    wide = kube.kubectl("--cache-dir", str(tmp_path), "get", "kbuilder", "-n", namespace, "-o", "wide").splitlines()
    for column in ("READY", "REASON", "RUNNING", "WAITING", "SLOTS", "HUB", "ARCHES", "CHECK-IN", "MESSAGE"):
        assert column in wide[0]


def test_two_writers_conditions_are_merged_by_type(kube: Kube, namespace: str) -> None:
    """As koji-role and koji-scheduler write: each keeps its own condition, and removing one leaves the other's."""
    kube.apply(resource("KojiBuilder", {"enabled": False}), namespace)

    def written(writer: str, *conditions: tuple[str, str]) -> dict[str, str]:
        """What both writers' conditions are after one of them has applied its own."""
        wanted = [
            {"type": type_, "status": status, "reason": "Told", "message": f"by {writer}",
             "lastTransitionTime": "2026-01-01T00:00:00Z"}
            for type_, status in conditions
        ]  # fmt: skip
        body = {
            "apiVersion": API_VERSION,
            "kind": "KojiBuilder",
            "metadata": {"name": "sample"},
            "status": {"conditions": wanted},
        }
        text = kube.kubectl(
            *("apply", "--server-side", "--subresource=status", f"--field-manager={writer}", "-n", namespace),
            *("-o", "json", "-f", "-"),
            stdin=json.dumps(body),
        )
        found = json.loads(text)["status"]["conditions"]
        return {entry["type"]: entry["status"] for entry in found if entry["message"].startswith("by e2e-")}

    assert written("e2e-one", ("First", "True"), ("Second", "True")) == {"First": "True", "Second": "True"}
    assert written("e2e-two", ("Third", "False")) == {"First": "True", "Second": "True", "Third": "False"}
    assert written("e2e-one", ("First", "False")) == {"First": "False", "Third": "False"}
    with pytest.raises(AssertionError, match="conflict"):
        written("e2e-two", ("First", "Unknown"))


def test_a_condition_must_be_whole(kube: Kube, namespace: str) -> None:
    kube.apply(resource("KojiBuilder", {"enabled": False}), namespace)
    patch = json.dumps({"status": {"conditions": [{"type": "Third", "status": "Maybe"}]}})
    with pytest.raises(AssertionError) as refused:
        kube.kubectl(
            "patch", "kojibuilder/sample", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch
        )
    for part in ("lastTransitionTime: Required value", "reason: Required value", 'supported values: "True", "False"'):
        assert part in str(refused.value)


def test_kubectl_explain_knows_ours_and_kubernetes_fields(kube: Kube, tmp_path: Path) -> None:
    explained = kube.kubectl("--cache-dir", str(tmp_path), "explain", "kojibuilder.spec.affinity.podAntiAffinity")
    assert "preferredDuringSchedulingIgnoredDuringExecution" in explained
    explained = kube.kubectl("--cache-dir", str(tmp_path), "explain", "kojihub.spec.hub_options.RunInterval")
    assert "Seconds between two runs of the hub's scheduler" in explained


def test_kubernetes_types_are_those_that_the_api_server_publishes(kube: Kube) -> None:
    extract = kubernetes_types.extract()
    version = json.loads(kube.kubectl("get", "--raw", "/version"))["gitVersion"]
    if version != extract["version"]:
        pytest.skip(f"the extract is of {extract['version']}, the cluster is {version}")
    published = json.loads(kube.kubectl("get", "--raw", "/openapi/v2"))["definitions"]
    assert kubernetes_types.reachable(published, generator.kubernetes_roots()) == extract["definitions"]
