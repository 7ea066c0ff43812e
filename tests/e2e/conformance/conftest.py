# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""An operator of its own a file, with the small project beside this file, and what its runs have recorded."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kube import Json, Kube
from tests.e2e.operator import Operator

API_VERSION = "conformance.koji-operator.test/v1"
RUN = 90.0  # seconds; more than a run of the small role takes on a very busy machine
PROJECT = Path(__file__).parent / "project"


@dataclass
class Trial:
    """A running operator, a namespace, and the lines that runs have written."""

    kube: Kube
    operator: Operator
    namespace: str
    records: Path
    flags: Path
    _made: list[tuple[str, str]] = field(default_factory=list)
    _begun: dict[str, tuple[str, str]] = field(default_factory=dict)
    _deleted: list[tuple[str, str]] = field(default_factory=list)

    def make(self, kind: str, name: str, spec: Json, **metadata: Any) -> Json:
        """Create a Probe or a Plain."""
        self._made.append((kind, name))
        item = {
            "apiVersion": API_VERSION, "kind": kind, "spec": spec,
            "metadata": {"name": name, "namespace": self.namespace, **metadata},
        }  # fmt: skip
        return self.kube.create(item, self.namespace)

    def get(self, kind: str, name: str) -> Json | None:
        return self.kube.get(kind, name, self.namespace, API_VERSION)

    def patch(self, kind: str, name: str, body: Json, status: bool = False) -> Json:
        return self.kube.patch(kind, name, self.namespace, body, API_VERSION, status)

    def flag(self, name: str) -> Path:
        """A file that a role looks for: `<object>.fail`, `<object>.hold`."""
        return self.flags / name

    def seen(self, name: str, event: str = "run") -> list[Json]:
        """Return what runs have recorded so far for the objects of a name."""
        if not self.records.exists():
            return []
        lines = map(json.loads, self.records.read_text("utf-8").splitlines())
        return [line for line in lines if line["name"] == name and line["event"] == event]

    def wait(self, name: str, count: int, timeout: float, event: str = "run") -> list[Json]:
        """Wait for so many records; return them all."""

        def enough() -> list[Json] | None:
            found = self.seen(name, event)
            return found if len(found) >= count else None

        found: list[Json] = self.kube.wait_for(
            enough, timeout, f"{count} records '{event}' of {name}", lambda: self.seen(name, event)
        )
        return found

    def assert_quiet(self, name: str, seconds: float) -> None:
        """Assert that no run starts for a while."""
        before = len(self.seen(name))
        time.sleep(seconds)
        assert len(self.seen(name)) == before, f"{name} was run again: {self.seen(name)[before:]}"

    def gone(self, kind: str, name: str, timeout: float = RUN) -> None:
        self.kube.delete(kind, name, self.namespace, API_VERSION, timeout)

    def begin(self, kind: str, name: str, spec: Json, **metadata: Any) -> None:
        """Create an object whose test comes later: its runs, or the time between them, take long."""
        self.make(kind, name, spec, **metadata)
        self._begun[name] = self._made.pop()

    def take(self, name: str) -> None:
        """From now on an object that was begun is the test's own."""
        self._made.append(self._begun.pop(name))

    def clean(self) -> None:
        """Delete what a test made; the finalizers' runs go on while the next test works."""
        for flag in self.flags.iterdir():
            if flag.stem not in self._begun:
                flag.unlink()
        for kind, name in self._made:
            self.kube.delete(kind, name, self.namespace, API_VERSION)
        self._deleted += self._made
        self._made.clear()

    def end(self) -> None:
        """Delete the rest, and let the finalizers finish."""
        self._made += self._begun.values()
        self._begun.clear()
        self.clean()
        for kind, name in self._deleted:
            self.kube.wait_gone(kind, name, self.namespace, RUN, API_VERSION)


@pytest.fixture(scope="module")
def trial_of_module(
    kube: Kube, module_namespace: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("conformance")
    shutil.copytree(PROJECT, folder / "project")
    (folder / "flags").mkdir()
    kube.apply((PROJECT / "crds.yaml").read_text("utf-8"))
    for plural in ("probes", "plains"):
        kube.wait_condition(
            "CustomResourceDefinition", f"{plural}.conformance.koji-operator.test", "", 60, "Established"
        )
    name = f"{request.module.__name__.rpartition('.')[2]}-operator"
    operator = Operator(
        folder / "project",
        name,
        {
            "CONFORMANCE_RECORDS": str(folder / "records"),
            "CONFORMANCE_FLAGS": str(folder / "flags"),
            "MAX_CONCURRENT_RECONCILES_PLAIN_CONFORMANCE_KOJI-OPERATOR_TEST": "1",
            "MAX_CONCURRENT_RECONCILES_PROBE_CONFORMANCE_KOJI-OPERATOR_TEST": "4",
        },
        grace=60,
    )
    operator.start()
    trial = Trial(kube, operator, module_namespace, folder / "records", folder / "flags")
    yield trial
    try:
        trial.end()
    finally:
        operator.stop()


@pytest.fixture
def trial(trial_of_module: Trial, request: pytest.FixtureRequest) -> Iterator[Trial]:
    """The module's operator; objects that a test made are deleted after it."""
    yield trial_of_module
    trial_of_module.clean()
