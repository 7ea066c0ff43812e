# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The exporter: what a scrape gives, and the program as it is installed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import catalog
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.collector import STALE, FilesCollector
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.file import ENVIRONMENT, dump
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.ledger import Ledger
from hypothesis import given
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.metrics.ledgers import LEDGERS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "bin" / "koji-operator-metrics"
NOW = 1.8e9


def scrape(folder: Path, now: float = NOW) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples of a folder, by name and labels, as a Prometheus would read them."""
    registry = CollectorRegistry()
    registry.register(FilesCollector(folder, lambda: now))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def of(builder: str = "default", **labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"namespace": "ns", "builder": builder, **labels}.items()))


def written(folder: Path, name: str = "ns", at: float = NOW) -> Ledger:
    """A file with a builder that has done something."""
    ledger = Ledger(name, runs=3, written=at)
    page = ledger.page("default")
    page.count(catalog.TASKS_TAKEN, by=7)
    page.count(catalog.TASKS_FREED, "OOMKilled")
    page.set(catalog.SLOTS, 4)
    page.observe(catalog.POD_START, 2.0)
    page.observe(catalog.POD_START, 2.5)
    page.observe(catalog.POD_START, 9999.0)
    (folder / f"{name}.json").write_text(dump(ledger))
    return ledger


def test_a_scrape_has_what_the_files_hold(tmp_path: Path) -> None:
    written(tmp_path)
    samples = scrape(tmp_path)
    assert samples["koji_operator_tasks_taken_total", of()] == 7
    assert samples["koji_operator_tasks_freed_total", of(reason="OOMKilled")] == 1
    assert samples["koji_operator_slots", of()] == 4
    assert samples["koji_operator_scheduler_runs_total", (("namespace", "ns"),)] == 3
    assert samples["koji_operator_scheduler_written_timestamp_seconds", (("namespace", "ns"),)] == NOW
    assert samples["koji_operator_metrics_files_unreadable", ()] == 0
    name = "koji_operator_task_pod_start_seconds"
    counts = [samples[f"{name}_bucket", of(le=le)] for le in ("1.0", "2.0", "3.0", "600.0", "+Inf")]
    assert counts == [0, 1, 2, 2, 3]
    assert (samples[f"{name}_count", of()], samples[f"{name}_sum", of()]) == (3, 10003.5)


def test_each_metric_is_described_even_if_nothing_was_counted(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(FilesCollector(tmp_path / "not-there"))
    text = generate_latest(registry).decode()
    for metric in catalog.ALL:
        assert f"# HELP {metric.name} " in text
        assert f"# TYPE {metric.name} {metric.kind}\n" in text


def test_what_can_not_be_read_is_counted_and_hides_nothing_else(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "dir.json").mkdir()
    (tmp_path / "copy.json").write_text((tmp_path / "ns.json").read_text())
    (tmp_path / "link.json").symlink_to(tmp_path / "ns.json")
    (tmp_path / ".ns.json.17").write_text("half")
    samples = scrape(tmp_path)
    assert samples["koji_operator_metrics_files_unreadable", ()] == 4
    assert samples["koji_operator_tasks_taken_total", of()] == 7


def test_a_namespace_that_is_gone_drops_out_after_a_day(tmp_path: Path) -> None:
    written(tmp_path)
    assert ("koji_operator_slots", of()) in scrape(tmp_path, NOW + STALE)
    assert ("koji_operator_slots", of()) not in scrape(tmp_path, NOW + STALE + 1)


@given(LEDGERS)
def test_any_ledger_can_be_scraped(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> None:
    folder = tmp_path_factory.mktemp("metrics")
    (folder / f"{ledger.namespace}.json").write_text(dump(ledger))
    samples = scrape(folder, ledger.written)
    counted = {
        (
            name,
            tuple(
                sorted(
                    {
                        "namespace": ledger.namespace,
                        "builder": builder,
                        **dict(zip(metric.labels, key, strict=True)),
                    }.items()
                )
            ),
        )
        for builder, page in ledger.pages.items()
        for found in (page.counters, page.gauges)
        for name, values in found.items()
        for key in values
        for metric in [catalog.METRICS[name]]
    }
    assert counted <= samples.keys()


# The program


@contextlib.contextmanager
def running(program: list[str], folder: Path, *args: str, env: dict[str, str] | None = None) -> Iterator[int]:
    """The program on a free port of loopback; gives the port."""
    process = subprocess.Popen(
        [*program, "--port", "0", "--folder", str(folder), *args], stderr=subprocess.PIPE, text=True, env=env
    )
    try:
        assert process.stderr is not None
        line = next((line for line in process.stderr if "serving" in line), "")
        assert line, f"exit code {process.wait()}"
        yield int(line.rpartition(" ")[2])
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def get(port: int, path: str) -> tuple[int, str, str]:
    """Status, content type and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_the_program_serves_metrics_and_health_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path, at=time.time())
    with running([sys.executable, str(PROGRAM)], tmp_path) as port:
        status, content, text = get(port, "/metrics")
        assert (status, content.partition(";")[0]) == (200, "text/plain")
        assert 'koji_operator_tasks_taken_total{builder="default",namespace="ns"} 7.0\n' in text
        assert get(port, "/healthz")[::2] == (200, "ok\n")
        assert [get(port, path)[0] for path in ("/", "/metrics/x", "/ns.json", "/../ns.json")] == [404] * 4
        with socket.create_connection(("127.0.0.1", port)):  # says nothing, and holds nobody up
            assert get(port, "/healthz")[0] == 200


def test_the_program_works_from_an_installed_collection(tmp_path: Path) -> None:
    """As in the image: the collection is not on Python's path, the packages of requirements.txt are."""
    collection = tmp_path / "collections" / "ansible_collections" / "fedoraproject" / "koji"
    for part in ("plugins/module_utils/metrics", "bin"):
        (collection / part).mkdir(parents=True)
        for source in (ROOT / part).iterdir():
            if source.is_file():
                (collection / part / source.name).write_bytes(source.read_bytes())
    packages = tmp_path / "packages"
    packages.mkdir()
    library = next(Path(path) for path in sys.path if (Path(path) / "prometheus_client").is_dir())
    (packages / "prometheus_client").symlink_to(library / "prometheus_client")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages)}
    program = [sys.executable, "-S", str(collection / "bin" / PROGRAM.name)]  # -S: no site-packages
    with running(program, tmp_path / "metrics", env=env) as port:
        assert get(port, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--port", "x"], 2, "'x' is no port; it must be a number from 0 (any that is free) to 65535"),
        (["--port", "65536"], 2, "'65536' is no port"),
        (["--folder", __file__], 2, f"is no folder; name the one that {ENVIRONMENT} names for the operator"),
        (["--adress", "::1"], 2, "unrecognized arguments: --adress"),
        (["--address", "192.0.2.1"], 1, "can't listen on 192.0.2.1:8081: Cannot assign requested address"),
    ],
)
def test_bad_arguments_are_named(args: list[str], code: int, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), *args], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == code
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, str(PROGRAM), "--port", str(port)], capture_output=True, text=True, timeout=30, check=False
        )
    assert ended.returncode == 1
    assert f"can't listen on 127.0.0.1:{port}: Address already in use" in ended.stderr


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import exporter  # noqa: PLC0415

    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    assert exporter.arguments([]).folder == tmp_path
    monkeypatch.delenv(ENVIRONMENT)
    assert exporter.arguments([]).folder == Path("/run/koji-operator/metrics")
    assert exporter.arguments([]).address == "127.0.0.1"
