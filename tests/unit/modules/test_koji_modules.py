# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""koji_user, koji_host and their info twins, from arguments to JSON, on a hub in memory."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.fedoraproject.koji.plugins.modules import koji_host, koji_host_info, koji_user, koji_user_info

from tests.devhub.local import ADMIN, LocalHub, intercept
from tests.unit import keytabs
from tests.unit.module_utils.pair import picture, storage
from tests.unit.module_utils.tls import Authority
from tests.unit.modules.run import run_module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def hub() -> LocalHub:
    return LocalHub({"LoginCreatesUser": False})


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "ca")


@pytest.fixture(scope="module")
def admin_pem(ca: Authority) -> str:
    return ca.issue(ADMIN).read_text()


@pytest.fixture
def reading(hub: LocalHub, ca: Authority) -> Iterator[dict[str, Any]]:
    """The options of a module that only reads."""
    with intercept(hub) as url:
        yield {"hub_url": url, "ca_cert_path": str(ca.file)}


@pytest.fixture
def writing(reading: dict[str, Any], admin_pem: str) -> dict[str, Any]:
    """The options of a module that may write; the certificate is text."""
    return {**reading, "client_cert_content": admin_pem}


def test_a_user(hub: LocalHub, reading: dict[str, Any], writing: dict[str, Any]) -> None:
    args = {**writing, "name": "kojira", "permissions": ["repo"], "krb_principals": ["kojira@X.ORG"]}
    told = run_module(koji_user, args, check=True)
    assert storage(hub).rows["sessions"] == []
    done = run_module(koji_user, args)
    assert (told["changed"], told["diff"], told["user"]) == (done["changed"], done["diff"], done["user"])
    assert done["diff"]["before"] == {}
    assert done["diff"]["after"] == done["user"]
    assert done["user_id"] == hub.anonymous().getUser("kojira")["id"]
    assert done["error"] is None
    assert all(row["closed"] for row in storage(hub).rows["sessions"]), "it logged out"
    sessions = len(storage(hub).rows["sessions"])
    again = run_module(koji_user, args)
    assert not again["changed"]
    assert len(storage(hub).rows["sessions"]) == sessions, "nothing to do, no login"
    read = run_module(koji_user_info, {**reading, "name": "kojira"})
    assert (read["exists"], read["user"], read["changed"]) == (True, done["user"], False)


def test_a_host(hub: LocalHub, reading: dict[str, Any], writing: dict[str, Any]) -> None:
    args = {**writing, "name": "builder", "arches": ["x86_64"], "channels": ["createrepo"], "capacity": 6}
    told = run_module(koji_host, args, check=True)
    assert told["host_id"] is None
    done = run_module(koji_host, args)
    assert (told["diff"], told["host"]) == (done["diff"], done["host"])
    assert not run_module(koji_host, args)["changed"]
    read = run_module(koji_host_info, {**reading, "name": "builder"})
    assert (read["host"], read["host_id"], read["user_id"]) == (done["host"], done["host_id"], done["user_id"])
    assert (read["ready"], read["last_check_in"]) == (False, None)
    gone = run_module(koji_host, {**writing, "name": "builder", "state": "disabled", "disable_user": True})
    assert gone["host"] == {**done["host"], "enabled": False, "user_enabled": False}


@pytest.mark.parametrize("module", [koji_user_info, koji_host_info])
def test_what_is_not_there(reading: dict[str, Any], module: ModuleType) -> None:
    result = run_module(module, {**reading, "name": "nobody"})
    assert not result["exists"]
    assert not result["failed"]


def test_a_failure_names_what_is_left_and_the_rest_is_done(hub: LocalHub, writing: dict[str, Any]) -> None:
    result = run_module(koji_user, {**writing, "name": "kojira", "permissions": ["repo", "nosuch"]})
    assert result["failed"]
    assert result["changed"]
    assert result["reason"] == "UnknownPermission"
    assert "nosuch" in result["msg"]
    assert result["unknown_permissions"] == ["nosuch"]
    assert hub.anonymous().getUserPerms("kojira") == ["repo"]


def test_errors_are_reported_when_that_is_wished(writing: dict[str, Any]) -> None:
    args = {**writing, "name": "builder", "arches": ["x86_64"], "channels": ["nosuch"], "report_errors": True}
    result = run_module(koji_host, args)
    assert not result["failed"]
    assert result["error"]["reason"] == "UnknownChannel"
    assert result["unknown_channels"] == ["nosuch"]


@pytest.mark.parametrize("report", [True, False])
def test_a_hub_that_is_down(hub: LocalHub, writing: dict[str, Any], report: bool) -> None:
    storage(hub).down = True
    result = run_module(koji_user, {**writing, "name": "kojira", "report_errors": report})
    assert result["failed"] != report
    assert result["error"]["reason"] == "HubDown"
    assert result["user"] == {}


def test_the_names_of_secrets_are_in_the_messages(writing: dict[str, Any]) -> None:
    args = {**writing, "name": "x", "client_cert_content": "junk", "client_cert_name": "Secret koji-hub-admin"}
    assert "Secret koji-hub-admin" in run_module(koji_user, args)["msg"]
    args = {**writing, "name": "x", "ca_cert_name": "Secret ca", "ca_cert_content": "junk"}
    del args["ca_cert_path"]
    assert "Secret ca" in run_module(koji_user, args)["msg"]


def test_a_certificate_in_a_file(writing: dict[str, Any], ca: Authority) -> None:
    del writing["client_cert_content"]
    assert run_module(koji_user, {**writing, "client_cert_path": str(ca.issue(ADMIN)), "name": "u"})["changed"]
    result = run_module(koji_user, {**writing, "client_cert_path": "/nowhere/admin.pem", "name": "v"})
    assert result["reason"] == "CertificateInvalid"
    assert "/nowhere/admin.pem" in result["msg"]


def test_the_certificate_is_nowhere_in_the_answer(writing: dict[str, Any], admin_pem: str) -> None:
    result = json.dumps(run_module(koji_user, {**writing, "name": "kojira", "permissions": ["nosuch"]}))
    assert "PRIVATE KEY" not in result
    assert admin_pem.splitlines()[1] not in result


@pytest.mark.parametrize("module", [koji_user, koji_host])
def test_a_keytab_logs_in_instead_and_what_is_wrong_with_it_is_told(
    reading: dict[str, Any], module: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / "admin.keytab"
    file.write_bytes(keytabs.keytab("koji@KOJI.TEST"))
    text = base64.b64encode(file.read_bytes()).decode()
    conf = "[libdefaults]\n dns_lookup_kdc = false\n[realms]\nKOJI.TEST = {\nkdc = 127.0.0.1:1\n}\n"
    args = {**reading, "name": "x", "login_principal": "koji@KOJI.TEST", "krb5_conf_content": conf}
    if module is koji_host:
        args["arches"] = ["x86_64"]
    for keytab in ({"keytab_path": str(file)}, {"keytab_content": text}):
        result = run_module(module, {**args, **keytab})
        assert (result["failed"], result["reason"]) == (True, "KdcUnreachable")
        assert text not in json.dumps(result)
    assert run_module(module, {**args, "keytab_path": "/nowhere"})["reason"] == "InvalidKeytab"
    del args["login_principal"]
    assert "login_principal" in run_module(module, {**args, "keytab_path": str(file)})["msg"]


@pytest.mark.parametrize("module", [koji_user, koji_host])
@pytest.mark.parametrize("left_out", [("ca_cert_path",), ("client_cert_content",)])
def test_certificates_are_required(writing: dict[str, Any], module: ModuleType, left_out: tuple[str]) -> None:
    args = {name: value for name, value in writing.items() if name not in left_out}
    result = run_module(module, {**args, "name": "x"})
    assert result["failed"]
    assert left_out[0] in result["msg"]


def test_koji_missing_is_said_plainly() -> None:
    """In a process of its own, where `import koji` fails."""
    script = (
        "import sys; sys.modules['koji'] = None; from ansible.module_utils import basic; "
        "basic._ANSIBLE_ARGS = sys.argv[1].encode(); "
        "from ansible_collections.fedoraproject.koji.plugins.modules import koji_user; koji_user.main()"
    )
    args = {"hub_url": "x", "ca_cert_content": "x", "client_cert_content": "x", "name": "x"}
    given = json.dumps({"ANSIBLE_MODULE_ARGS": args})
    done = subprocess.run([sys.executable, "-c", script, given], capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert result["failed"]
    assert "Python library (koji)" in result["msg"]


def test_nothing_is_written_in_check_mode(hub: LocalHub, writing: dict[str, Any]) -> None:
    before = picture(hub)
    assert run_module(koji_host, {**writing, "name": "b", "arches": ["x86_64"]}, check=True)["changed"]
    assert run_module(koji_user, {**writing, "name": "u", "permissions": ["repo"]}, check=True)["changed"]
    assert picture(hub) == before


@pytest.mark.parametrize("wrong", [{}, {"name": ""}, {"hub_url": "http://hub/"}])
@pytest.mark.parametrize("module", [koji_user, koji_host, koji_user_info, koji_host_info])
def test_every_returned_value_is_documented(
    reading: dict[str, Any], writing: dict[str, Any], module: ModuleType, wrong: dict[str, str]
) -> None:
    args = reading if module.__name__.endswith("_info") else writing
    more = {"arches": ["x86_64"]} if module is koji_host else {}
    result = run_module(module, {**args, **more, "name": "thing", **wrong})
    assert result["failed"] == bool(wrong)
    documented = yaml.safe_load(module.RETURN)
    ansible = {"failed", "changed", "diff", "msg", "invocation"}
    assert result.keys() - ansible <= documented.keys()
    always = {name for name, value in documented.items() if value["returned"] == "always"}
    assert always <= result.keys()
    for name in ("user", "host"):
        if result.get(name):
            # `tasks` are told only when they were to be freed.
            assert documented[name]["contains"].keys() - result[name].keys() <= {"tasks"}
            assert result[name].keys() <= documented[name]["contains"].keys()
