# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a KojiBuilder becomes for the scheduler, the hub and kojid's handlers."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.filter.builder import host_problem, scheduling_problem
from ansible_collections.fedoraproject.koji.plugins.module_utils import builder_files, builders
from ansible_collections.fedoraproject.koji.plugins.module_utils.ini import IniError, merged, parse
from hypothesis import given, strategies

REFERENCES: dict[str, Any] = {
    "hub_url": "https://koji-hub.koji.svc:8443/kojihub",
    "user": "default",
    "ca_secret": "ca",
    "client_secret": "client",
    "settings": {},
}


def test_slots_are_replicas_times_max_jobs_and_capacity_follows() -> None:
    assert builder_files.slots({}) == 1
    assert builder_files.slots({"replicas": 3, "max_jobs": 5}) == 15
    assert builder_files.slots({"replicas": 0}) == 0
    assert builder_files.capacity({"replicas": 0}) == 2
    assert builder_files.capacity({"replicas": 2}) == 12
    assert builder_files.capacity({"replicas": 2, "capacity": 3.5}) == 3.5


def test_the_scheduler_reads_what_the_role_writes() -> None:
    spec = {
        "replicas": 2,
        "failed_pod_history": {"count": 7, "max_age": 9},
        "start_deadline": 12,
        "shared_pvc": "mnt",
        "host_archs": ["x86_64", "aarch64"],
        "overrides": [{"methods": ["newRepo"], "start_deadline": 9, "node_selector": {"disk": "fast"}}],
    }
    metadata = {
        "name": "koji-default-builder",
        "namespace": "koji",
        "ownerReferences": [{"kind": "KojiBuilder", "name": "default", "uid": "1"}],
    }
    pod = {"spec": {"containers": [{"name": "task"}]}}
    data = {"builder.json": builder_files.builder_json(spec, REFERENCES), "pod.json": json.dumps(pod)}
    settings = builders.parse({"metadata": metadata, "data": data})
    assert (settings.slots, settings.user, settings.shared_pvc) == (2, "default", "mnt")
    assert (settings.history.count, settings.history.max_age, settings.start_deadline) == (7, 9, 12)
    assert not settings.paused
    assert settings.host_archs == ("x86_64", "aarch64")
    [override] = settings.overrides
    assert (override.methods, override.channels, override.start_deadline) == (frozenset({"newRepo"}), None, 9)
    assert override.pod == {"nodeSelector": {"disk": "fast"}}
    assert not settings.by_channel


@pytest.mark.parametrize("spec", [{"paused": True}, {"enabled": False}])
def test_a_builder_that_is_paused_or_disabled_takes_nothing(spec: dict[str, Any]) -> None:
    assert json.loads(builder_files.builder_json(spec, REFERENCES))["paused"] is True


def test_the_sites_options_win_one_by_one() -> None:
    site = "[kojid]\nvendor = Site\nminspace = 1\n[other]\nA = %(b)s\n"
    references = {**REFERENCES, "settings": {"kojid.conf": site}}
    conf = parse(builder_files.kojid_conf({"vendor": "CR", "packager": "P"}, references))
    assert conf["kojid"]["vendor"] == "Site"
    assert conf["kojid"]["packager"] == "P"
    assert conf["kojid"]["minspace"] == "1"
    assert conf["kojid"]["topurl"] == "https://koji-hub.koji.svc:8443/kojifiles"
    assert conf["other"]["A"] == "%(b)s"


def test_a_pod_is_as_patient_as_kojid_but_looks_more_often() -> None:
    conf = parse(builder_files.kojid_conf({}, REFERENCES))["kojid"]
    assert (conf["retry_interval"], conf["offline_retry_interval"]) == ("10", "20")
    assert int(conf["retry_interval"]) * int(conf["max_retries"]) == 60 * 120
    site = {**REFERENCES, "settings": {"kojid.conf": "[kojid]\nretry_interval = 5\n"}}
    assert parse(builder_files.kojid_conf({}, site))["kojid"]["retry_interval"] == "5"


@given(strategies.text(max_size=60))
def test_no_text_can_add_an_option(text: str) -> None:
    conf = builder_files.kojid_conf({"vendor": text, "allowed_scms": text}, REFERENCES)
    # Read as koji reads a file: any kind of line break ends a line.
    read = io.TextIOWrapper(io.BytesIO(conf.encode())).read()
    known = {"server", "topurl", "maxjobs", "workdir", "vendor", "packager", "distribution", "allowed_scms"}
    known |= builder_files.RETRIES.keys()
    assert set(parse(read)) == {"kojid"}
    assert set(parse(read)["kojid"]) <= known


@given(strategies.text(max_size=60))
def test_any_site_text_is_parsed_or_refused(text: str) -> None:
    try:
        conf = merged({"kojid": {"vendor": "x"}}, text)
    except IniError:
        return
    assert "kojid" in parse(conf)


def test_a_builder_is_ready_when_the_scheduler_takes_tasks() -> None:
    assert scheduling_problem([{"status": "True", "reason": "CheckedIn", "message": ""}]) == {}
    assert scheduling_problem([])["progressing"]
    held = scheduling_problem([{"status": "False", "reason": "SessionHeld", "message": "by x"}])
    assert held == {"reason": "SessionHeld", "message": "by x", "progressing": False}


def test_a_host_that_people_disabled_is_a_problem_unless_the_resource_says_so() -> None:
    disabled = {"name": "b", "enabled": False}
    assert "koji enable-host b" in host_problem(disabled, {})["message"]
    assert host_problem(disabled, {"enabled": False}) == {}
    assert host_problem({**disabled, "enabled": True}, {}) == host_problem({}, {}) == {}


def test_with_a_keytab_the_scheduler_logs_in_by_kerberos() -> None:
    kerberos = {"principal": "pods@X", "keytab_secret": "keys", "krb5_conf": "[libdefaults]\n"}
    metadata = {
        "name": "koji-default-builder",
        "namespace": "koji",
        "ownerReferences": [{"kind": "KojiBuilder", "name": "default", "uid": "1"}],
    }
    pod = json.dumps({"spec": {"containers": [{"name": "task"}]}})
    text = builder_files.builder_json({}, {**REFERENCES, **kerberos, "keytab": "c2VjcmV0"})
    settings = builders.parse({"metadata": metadata, "data": {"builder.json": text, "pod.json": pod}})
    assert (settings.principal, settings.keytab_secret, settings.krb5_conf) == ("pods@X", "keys", "[libdefaults]\n")
    assert "c2VjcmV0" not in text
    assert "keytab_secret" not in builder_files.builder_json({}, {**REFERENCES, "principal": "pods@X"})
