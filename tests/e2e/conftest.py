# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Fixtures of the end-to-end tests. Run them inside the cluster: `python -m tests.cluster exec -- pytest tests/e2e`."""

import contextlib
import os
import secrets
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes.config.config_exception import ConfigException
from openshift.dynamic.exceptions import NotFoundError, ResourceNotFoundError
from urllib3.exceptions import HTTPError

from .hub import Hub, deploy_hub
from .kube import Json, Kube
from .operator import CHECKOUT, Operator

HINT = "run under `python -m tests.cluster exec -- pytest tests/e2e`, or set KUBECONFIG"
DELETE_TIMEOUT = 120  # seconds; a namespace with finalizers in it
_made: set[str] = set()  # this session's namespaces
_REPORTED = ("KojiHub", "KojiWeb", "Kojira", "KojiBuilder", "KojiUser")


# Who runs where (tests/shards.py): the first that fits; shard 2 has all that isn't named here. Faults mostly wait.
SHARD = os.environ.get("KOJI_E2E_SHARD", "")
SHARDS = {
    # Not in `make test`, which would take too long with it: each test restarts kojira or the hub.
    "by-hand": ("/kojira/test_configuration.py",),
    "quiet": ("/test_many.py",),  # measures, and needs a machine that does nothing else
    "1": (
        *("/conformance/", "/test_cluster.py", "/test_local.py", "/test_crds.py"),
        *("/faults/test_hub.py", "/faults/test_limits.py", "/faults/test_nodes.py"),
        *("/kojihub/test_database.py", "/kojihub/test_cleanup.py", "/kojihub/test_configuration.py", "/kojira/"),
    ),
    "2": tuple(f"/kojihub/test_{name}.py" for name in ("start", "messaging", "pod", "exposure", "hostile")),
    "3": ("/faults/", "/kojihub/"),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """First what needs the port or the resources that the session's operator holds to the end."""
    alone = ("/conformance/", "/test_local.py", "/test_cluster.py", "/test_many.py")
    items.sort(key=lambda item: not is_in(item, alone))
    if SHARD:
        config.hook.pytest_deselected(items=[item for item in items if shard_of(item) != SHARD])
        items[:] = [item for item in items if shard_of(item) == SHARD]


def is_in(item: pytest.Item, parts: tuple[str, ...]) -> bool:
    """Whether one of `parts` is in the test's path."""
    return any(part in item.path.as_posix() for part in parts)


def shard_of(item: pytest.Item) -> str:
    """The one shard that a test belongs to."""
    return next((name for name, parts in SHARDS.items() if is_in(item, parts)), "2")


@pytest.fixture(scope="session")
def cluster() -> Json:
    """The cluster of $KUBECONFIG, known to answer; gives its version."""
    try:
        version: Json = Kube().client.call_api(
            "/version", "GET", response_type="object", auth_settings=["BearerToken"]
        )[0]
    except (ConfigException, HTTPError, OSError) as error:
        pytest.exit(f"no cluster answers ({error}); {HINT}", returncode=2)
    return version


@pytest.fixture(scope="session")
def kube(cluster: Json) -> Kube:
    return Kube()


@pytest.fixture(scope="session")
def definitions(kube: Kube) -> None:
    """The project's CRDs, served."""
    applied = [
        item
        for path in sorted((CHECKOUT / "config" / "crd" / "bases").glob("*.yaml"))
        for item in kube.apply(path.read_text("utf-8"))
    ]
    for item in applied:
        kube.wait_condition("CustomResourceDefinition", item["metadata"]["name"], "", 90, "Established")


@pytest.fixture(scope="session")
def operator(kube: Kube, definitions: None) -> Iterator[Operator]:
    """The project's operator over all namespaces; the real one with $ANSIBLE_OPERATOR."""
    # The periodic playbook needs a worker a namespace.
    workers = {"MAX_CONCURRENT_RECONCILES_CONFIGMAP_": "8"}
    running = Operator(CHECKOUT, f"operator-{SHARD}".strip("-"), workers)
    running.start()
    yield running
    # What still has a finalizer needs the operator to be deleted.
    for name in sorted(_made):
        try:
            kube.wait_gone("Namespace", name, None, DELETE_TIMEOUT)
        except AssertionError as error:
            warnings.warn(f"left behind: {error}", stacklevel=1)
    running.stop()


def _new_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    stem = "".join(
        c if c.isalnum() else "-" for c in request.node.name.lower().rpartition("/")[2].removeprefix("test_")
    )
    name = f"e2e-{stem[:40].strip('-').removesuffix('-py')}-{secrets.token_hex(2)}"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    _made.add(name)
    yield name
    let_go(kube, name)
    kube.delete("Namespace", name)


def let_go(kube: Kube, namespace: str) -> None:
    """Delete a namespace's resources without their finalizers' runs: what those do, test_deletion.py asks."""
    for kind in _REPORTED:
        items: list[Json] = []
        with contextlib.suppress(ResourceNotFoundError):  # a test that needs no CRDs
            items = kube.find(kind, namespace)
        for item in items:
            with contextlib.suppress(NotFoundError):  # it was on its way
                kube.patch(kind, item["metadata"]["name"], namespace, {"metadata": {"finalizers": None}})
                kube.delete(kind, item["metadata"]["name"], namespace)


@pytest.fixture
def namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test."""
    yield from _new_namespace(kube, request)


@pytest.fixture(scope="module")
def module_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for the tests of a file."""
    yield from _new_namespace(kube, request)


@pytest.fixture(scope="module")
def hub(kube: Kube, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """A devhub that answers, in `module_namespace`."""
    return deploy_hub(kube, module_namespace, tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def koji_cli(hub: Hub) -> Callable[..., str]:
    """Run the real `koji` client as the hub's admin: `koji_cli("hello")` returns what it printed."""
    return hub.cli


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add what a person looks at first to the report of a failure: resources, events, pods, the operator's log."""
    report = yield
    if report.failed and "kube" in getattr(item, "funcargs", {}):  # type: ignore[attr-defined]
        arguments = item.funcargs  # type: ignore[attr-defined]
        for scope in {arguments.get("namespace"), arguments.get("module_namespace")} - {None}:
            report.sections.append((f"namespace {scope}", describe(arguments["kube"], scope)))  # type: ignore[attr-defined]
        trial = arguments.get("trial")
        running = arguments.get("operator") or (trial.operator if trial else None)
        if running is not None:
            report.sections.append((str(running.log), running.tail()))  # type: ignore[attr-defined]
    return report


def describe(kube: Kube, namespace: str) -> str:
    """Return a namespace's resources of ours with their status, its pods and its events, as text."""
    parts: list[str] = []
    try:
        for kind in _REPORTED:
            for item in kube.find(kind, namespace):
                shown = {"generation": item["metadata"].get("generation"), "status": item.get("status")}
                parts.append(f"{kind} {item['metadata']['name']}:\n{yaml.safe_dump(shown)}")
    except Exception as error:  # noqa: BLE001 - a report must not hide the failure that it is about
        parts.append(f"(resources: {error})")
    try:
        for pod in kube.find("Pod", namespace):
            status = pod.get("status") or {}
            parts.append(f"Pod {pod['metadata']['name']}: {status.get('phase')} {status.get('message') or ''}")
            containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
            parts += [f"  {one['name']}: {one['state']}, restarts {one['restartCount']}" for one in containers]
            if status.get("phase") != "Running":
                parts.append(kube.logs(namespace, pod["metadata"]["name"], tail=15))
        for event in kube.events(namespace):
            about = event["involvedObject"]
            parts.append(f"Event {about['kind']} {about.get('name')}: {event.get('reason')}: {event.get('message')}")
    except Exception as error:  # noqa: BLE001
        parts.append(f"(pods and events: {error})")
    return "\n".join(parts)


@pytest.fixture(scope="session")
def checkout() -> Path:
    return CHECKOUT


def pytest_report_header() -> str:
    return f"operator: {os.environ.get('ANSIBLE_OPERATOR') or 'tests.devloop ($ANSIBLE_OPERATOR is not set)'}"
