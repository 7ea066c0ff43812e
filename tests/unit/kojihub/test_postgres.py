# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The Secret that says where the database is: read once, and what is wrong with it is named."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.postgres import Postgres, read
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

WHOLE = {
    "POSTGRES_HOST": "db.example.org",
    "POSTGRES_DB": "koji",
    "POSTGRES_USER": "koji",
    "POSTGRES_PASSWORD": "p4ssw0rd",
}
PEM = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"


def secret(**changes: str | None) -> dict[str, Any]:
    data = {key: value for key, value in {**WHOLE, **changes}.items() if value is not None}
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


def reading(**changes: str | None) -> Postgres:
    return read("postgres", "koji", secret(**changes))


def test_what_it_says_is_read_and_the_password_is_not_shown() -> None:
    found = reading()
    assert (found.host, found.port, found.name, found.user, found.password) == (
        "db.example.org", 5432, "koji", "koji", "p4ssw0rd",
    )  # fmt: skip
    assert (found.sslmode, found.ca) == ("prefer", "")
    assert "p4ssw0rd" not in repr(found)


def test_line_breaks_that_echo_leaves_are_taken_off_and_a_passwords_blanks_are_not() -> None:
    found = reading(
        POSTGRES_HOST=" db \n", POSTGRES_PORT="5433\n", POSTGRES_PASSWORD=" p \n", POSTGRES_SSLMODE="require\n"
    )
    assert (found.host, found.port, found.password, found.sslmode) == ("db", 5433, " p ", "require")


def test_a_secret_that_does_not_exist_is_named_with_what_it_holds() -> None:
    with pytest.raises(Problem, match="Secret 'postgres' in namespace 'koji' does not exist") as problem:
        read("postgres", "koji", None)
    assert problem.value.reason == "MissingSecret"
    assert "POSTGRES_HOST, POSTGRES_DB, POSTGRES_USER, POSTGRES_PASSWORD" in problem.value.message


@pytest.mark.parametrize("key", sorted(WHOLE))
@pytest.mark.parametrize(("value", "lack"), [(None, "is missing"), ("", "is empty"), ("\n", "is empty")])
def test_a_key_that_is_missing_or_empty_is_named(key: str, value: str | None, lack: str) -> None:
    with pytest.raises(Problem, match=f"key {key} {lack}") as problem:
        reading(**{key: value})
    assert problem.value.reason == "MissingSecretKey"


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "5432 5433", "٣"])
def test_what_is_no_port_is_named(port: str) -> None:
    with pytest.raises(Problem, match=f"POSTGRES_PORT is '{port}', which is no port"):
        reading(POSTGRES_PORT=port)


def test_an_unknown_sslmode_is_named_with_the_known_ones() -> None:
    with pytest.raises(Problem, match="POSTGRES_SSLMODE is 'yes'; it can be disable, allow, prefer, require"):
        reading(POSTGRES_SSLMODE="yes")


def test_a_ca_is_there_to_be_checked_against_unless_the_site_says_otherwise() -> None:
    assert reading(**{"ca.crt": PEM}).sslmode == "verify-full"
    assert reading(**{"ca.crt": PEM}, POSTGRES_SSLMODE="verify-ca").sslmode == "verify-ca"


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_checking_the_server_without_a_ca_is_named(mode: str) -> None:
    with pytest.raises(Problem, match=rf"POSTGRES_SSLMODE {mode} needs the server's CA in the key ca\.crt"):
        reading(POSTGRES_SSLMODE=mode)


@pytest.mark.parametrize("value", ["a\nDBHost = b", "a\0b"])
def test_no_value_adds_a_line_to_a_file(value: str) -> None:
    with pytest.raises(Problem, match="POSTGRES_DB") as problem:
        reading(POSTGRES_DB=value)
    assert problem.value.reason == "InvalidSecret"


def test_what_is_no_text_or_no_certificate_is_named() -> None:
    with pytest.raises(Problem, match="key POSTGRES_DB is not text"):
        read("postgres", "koji", {"data": {**secret()["data"], "POSTGRES_DB": "/w=="}})
    with pytest.raises(Problem, match=r"key ca\.crt is no certificate in PEM"):
        reading(**{"ca.crt": "x"})


def test_the_checksum_changes_with_all_that_counts_and_with_nothing_else() -> None:
    changed: list[dict[str, str | None]] = [{key: "other"} for key in WHOLE]
    changed += [{"POSTGRES_PORT": "1"}, {"POSTGRES_SSLMODE": "require"}, {"ca.crt": PEM}]
    checksums = {reading(**change).checksum for change in changed}
    assert len(checksums | {reading().checksum}) == len(changed) + 1
    assert reading(POSTGRES_PORT="5432", other="x").checksum == reading().checksum


def test_a_pod_gets_references_and_no_values() -> None:
    found = reading(**{"ca.crt": PEM}, POSTGRES_SSLMODE="verify-ca")
    variables = {entry["name"]: entry for entry in found.environment()}
    assert variables["PGPASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": "postgres", "key": "POSTGRES_PASSWORD"}
    assert variables["PGPORT"]["valueFrom"]["secretKeyRef"]["optional"] is True
    assert variables["PGSSLMODE"]["value"] == "verify-ca"
    assert variables["PGSSLROOTCERT"]["value"] == f"{found.mounts()[0]['mountPath']}/ca.crt"
    assert found.volumes()[0]["secret"]["secretName"] == "postgres"
    assert (reading().volumes(), reading().mounts()) == ([], [])
    assert "p4ssw0rd" not in str(found.environment())
