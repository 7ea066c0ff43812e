# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Faults on request."""

import json
from pathlib import Path
from xml.parsers.expat import ExpatError

import koji
import pytest
import requests

from tests.devhub.injection import Injection
from tests.devhub.local import Clock, LocalHub, intercept


def test_down_until_cleared(hub: LocalHub) -> None:
    admin = hub.admin()
    hub.injection.add({"kind": "down"})
    with pytest.raises(koji.ServerOffline):
        admin.getAPIVersion()
    hub.injection.clear()
    assert admin.getAPIVersion() == 1


def test_error_so_many_times_after_skipping_some(hub: LocalHub) -> None:
    admin = hub.admin()
    hub.injection.add({"kind": "error", "method": "get*", "code": 1005, "message": "no", "times": 2, "skip": 1})
    outcomes = []
    for _ in range(5):
        try:
            outcomes.append(admin.getAPIVersion())
        except koji.BuildError as error:
            outcomes.append(str(error))
    assert outcomes == [1, "no", "no", 1, 1]
    assert hub.injection.rules()[0]["hits"] == 2


def test_a_web_page_instead_of_the_hub(hub: LocalHub) -> None:
    admin = hub.admin()
    hub.injection.add({"kind": "http", "code": 502, "message": "<html>Bad Gateway</html>"})
    with pytest.raises(requests.HTTPError, match="502"):
        admin.getAPIVersion()
    hub.injection.clear()
    hub.injection.add({"kind": "http", "code": 200, "message": "<html>Hello"})
    with pytest.raises(ExpatError):
        admin.getAPIVersion()


def test_slow_takes_its_time(hub: LocalHub, clock: Clock) -> None:
    hub.injection.add({"kind": "slow", "seconds": 30, "method": "echo"})
    before = clock()
    hub.anonymous().echo()
    assert clock() - before == 30
    hub.anonymous().hello()
    assert clock() - before == 30


def test_a_call_inside_a_multicall_counts(hub: LocalHub) -> None:
    session = hub.anonymous()
    hub.injection.add({"kind": "down", "method": "getHost"})
    multi = koji.MultiCallSession(session)
    multi.hello()
    multi.getHost(1)
    with pytest.raises(koji.ServerOffline):
        multi.call_all()


def test_one_users_calls_only(hub: LocalHub) -> None:
    hub.make_user("someone")
    unlucky, lucky = hub.session("someone"), hub.admin()
    hub.injection.add({"kind": "down", "user": "someone"})
    assert lucky.getAPIVersion() == 1
    with pytest.raises(koji.ServerOffline):
        unlucky.getAPIVersion()


def test_a_drop_after_the_call_was_done_makes_the_retry_fail(hub: LocalHub) -> None:
    admin = hub.admin()
    hub.injection.add({"kind": "drop", "method": "createUser", "when": "after", "times": 1})
    with pytest.raises(koji.RetryError):
        admin.createUser("u")
    assert hub.anonymous().getUser("u")


def test_a_drop_before_the_call_is_retried(hub: LocalHub) -> None:
    admin = hub.admin()
    hub.injection.add({"kind": "drop", "method": "createUser", "times": 1})
    assert admin.createUser("u")


def test_processes_share_the_rules_by_a_file(tmp_path: Path) -> None:
    one, other = Injection(tmp_path / "faults.json"), Injection(tmp_path / "faults.json")
    assert other.take(["x"], None) == []
    one.add({"kind": "down", "times": 1})
    assert [rule.kind for rule in other.take(["x"], None)] == ["down"]
    assert one.take(["x"], None) == []
    other.clear()
    assert one.rules() == []


def test_over_http(hub: LocalHub) -> None:
    with intercept(hub):
        url = "https://koji-hub.test:8443/devhub/faults"
        answer = requests.post(url, data=json.dumps({"kind": "slow", "seconds": 2}), timeout=5)
        assert answer.json()[0]["seconds"] == 2
        assert requests.post(url, data=json.dumps({"kind": "bad"}), timeout=5).status_code == 400
        assert requests.post(url, data=json.dumps({"kind": "slow", "sec": 2}), timeout=5).status_code == 400
        assert len(requests.get(url, timeout=5).json()) == 1
        assert requests.delete(url, timeout=5).json() == []
