# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The same hub behind real Apache, TLS and PostgreSQL: what memory and an in-process call can't show."""

import http.client
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from urllib.parse import urlsplit

import koji
import pytest
import requests

from tests.devhub.certificates import Authority
from tests.devhub.loopback import Loopback, loopback

from .answers import result


@pytest.fixture(scope="module")
def hub(debian_servers: None) -> Iterator[Loopback]:
    """A running hub."""
    with loopback() as running:
        yield running


def client(hub: Loopback, user: str | None = None) -> koji.ClientSession:
    """A client over TLS, logged in by certificate if a user is named."""
    session = koji.ClientSession(hub.url, {"serverca": str(hub.ca), "max_retries": 1, "retry_interval": 0})
    if user is not None:
        session.ssl_login(str(hub.pem(user)), None, str(hub.ca))
    return session


def test_a_task_from_make_to_result(hub: Loopback, tmp_path: Path) -> None:
    admin = client(hub, "koji-admin")
    admin.addHost("builder", ["x86_64"])
    builder = client(hub, "builder")
    builder.exclusiveSession()
    builder.host.updateHost(0, True, data={"maxjobs": 2})
    task_id = admin.makeTask("sleep", [0])
    [task] = builder.host.getTasks()
    assert task["id"] == task_id
    worker = builder.subsession()
    assert builder.host.openTask(task_id)["request"].startswith("<?xml")
    (tmp_path / "a.log").write_bytes(b"x" * 3_000_000)
    worker.fastUpload(str(tmp_path / "a.log"), f"tasks/{task_id}/{task_id}")
    assert admin.listTaskOutput(task_id, stat=True)["a.log"]["st_size"] == "3000000"
    worker.host.closeTask(task_id, result({"n": 2**40}))
    assert admin.getTaskResult(task_id) == {"n": 2**40}
    builder.logout()
    with pytest.raises(koji.AuthError):
        worker.getAPIVersion()


def test_of_many_who_open_a_task_at_once_one_wins(hub: Loopback) -> None:
    admin = client(hub, "koji-admin")
    admin.addHost("racer", ["x86_64"])
    master = client(hub, "racer")
    master.exclusiveSession()
    workers = [master.subsession() for _ in range(6)]
    with ThreadPoolExecutor(len(workers)) as pool:
        for _ in range(3):
            task_id = admin.makeTask("sleep", [0])
            opened = pool.map(koji.ClientSession.callMethod, workers, repeat("host.openTask"), repeat(task_id))
            assert len([one for one in opened if one is not None]) == 1


def test_a_failed_call_in_a_multicall_undoes_only_itself(hub: Loopback) -> None:
    admin = client(hub, "koji-admin")
    with admin.multicall() as multi:
        multi.addHost("many", ["x86_64"])
        multi.editHost("many", capacity=0)
        multi.addHost("many", ["x86_64"])
        changed = multi.editHost("many", capacity=7)
    assert changed.result is True
    assert admin.getHost("many")["capacity"] == 7.0


def test_the_login_address_wants_a_certificate_of_our_ca(hub: Loopback, tmp_path: Path) -> None:
    with pytest.raises(requests.exceptions.SSLError, match="certificate required"):
        requests.post(f"{hub.url}/ssllogin", data="", verify=str(hub.ca), timeout=10)
    stranger = tmp_path / "stranger.pem"
    stranger.write_text(Authority().issue("koji-admin").pem)
    with pytest.raises(koji.AuthError, match="unknown ca"):
        client(hub).ssl_login(str(stranger), None, str(hub.ca))


def test_faults_strike_every_process_and_a_drop_breaks_the_connection(hub: Loopback) -> None:
    where = urlsplit(hub.url)
    faults = f"https://{where.netloc}/devhub/faults"
    requests.post(faults, json={"kind": "drop", "method": "hello"}, verify=str(hub.ca), timeout=10)
    try:
        context = ssl.create_default_context(cafile=str(hub.ca))
        for _ in range(4):
            connection = http.client.HTTPSConnection(where.netloc, timeout=10, context=context)
            connection.request("POST", where.path, koji.xmlrpcplus.dumps((), "hello"), {"Content-Type": "text/xml"})
            answer = connection.getresponse()
            with pytest.raises(http.client.IncompleteRead):
                answer.read()
        assert client(hub).getAPIVersion() == 1
    finally:
        requests.delete(faults, verify=str(hub.ca), timeout=10)
    assert client(hub).hello() == "Hello World"
