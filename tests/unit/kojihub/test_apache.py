# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The files of a hub with a real Apache: what is served, to whom, and how it ends."""

from __future__ import annotations

import time
import xmlrpc.client
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import koji
import pytest
import requests

from .apache import Apache, apache

if TYPE_CHECKING:
    from collections.abc import Iterator

SITE = {
    "hub.conf": "[policy]\npriority =\n  # für alle\n  all :: adjust +5\n",
    "httpd.conf": 'Alias /devhub/faults "/usr/share/koji-hub/kojiapp.py"\n',
}
CALL = xmlrpc.client.dumps((), "getAPIVersion")


@pytest.fixture(scope="module")
def hub(debian_servers: None) -> Iterator[Apache]:
    """A hub that serves TLS and plain HTTP."""
    with apache({"http_enabled": True}, SITE) as running:
        yield running


def test_an_administrator_logs_in_by_certificate(hub: Apache) -> None:
    session = koji.ClientSession(hub.url, {"serverca": str(hub.ca), "max_retries": 1, "retry_interval": 0})
    session.ssl_login(str(hub.pem("koji-admin")), None, str(hub.ca))
    assert session.getLoggedInUser()["name"] == "koji-admin"
    task_id = session.makeTask("sleep", [0])
    assert session.getTaskInfo(task_id)["priority"] == 25, "the site's policy has been read"


def test_nobody_logs_in_without_tls(hub: Apache) -> None:
    plain = f"http://localhost:{hub.http}/kojihub"
    assert "<int>1</int>" in requests.post(plain, data=CALL, timeout=20).text
    assert requests.post(f"{plain}/ssllogin", data=CALL, timeout=20).status_code == 403


def test_kojis_files_and_the_httpd_claims_are_served_and_nothing_else(hub: Apache) -> None:
    (hub.root / "mnt/koji/work").mkdir(exist_ok=True)
    (hub.root / "mnt/koji/work/build.log").write_text("done", "ascii")
    site = f"http://localhost:{hub.http}"
    log = requests.get(f"{site}/kojifiles/work/build.log", timeout=20)
    assert (log.text, log.headers["Content-Type"]) == ("done", "text/plain")
    assert "build.log" in requests.get(f"{site}/kojifiles/work/", timeout=20).text
    moved = requests.get(f"{site}/kojifiles/work", timeout=20, allow_redirects=False)
    assert moved.headers["Location"] == f"{site}/kojifiles/work/", "by the name that the client knows"
    assert requests.get(site, timeout=20).text == "hello"
    assert requests.get(f"{site}/kojifiles/../etc/passwd", timeout=20).status_code == 404
    assert requests.get(f"{site}/kojihub/ssllogin", timeout=20).status_code == 403
    assert requests.request("TRACE", site, timeout=20).status_code == 405


def test_the_probe_says_that_the_hub_answers(hub: Apache) -> None:
    assert hub.probe().returncode == 0


def test_what_was_asked_before_the_end_is_answered() -> None:
    with apache({}, SITE) as hub, ThreadPoolExecutor() as pool:
        fault = {"kind": "slow", "method": "getAPIVersion", "times": 1, "seconds": 3}
        faults = f"{hub.url.removesuffix('/kojihub')}/devhub/faults"
        requests.post(faults, json=fault, verify=str(hub.ca), timeout=20).raise_for_status()
        asked = pool.submit(requests.post, hub.url, data=CALL, verify=str(hub.ca), timeout=20)
        while "injected: slow" not in hub.log:
            time.sleep(0.05)
        hub.stop_gracefully()
        assert "<int>1</int>" in asked.result().text
        assert hub.process.wait(20) == 0


def test_a_hub_without_tls_serves_and_reads_no_key() -> None:
    with apache({"http_enabled": True, "https_enabled": False}) as hub:
        assert "<int>1</int>" in requests.post(f"http://localhost:{hub.http}/kojihub", data=CALL, timeout=20).text
