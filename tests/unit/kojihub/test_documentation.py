# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the documentation says of a KojiHub: every reason and every field is in it, and its examples are accepted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import RESOURCES
from jsonschema import Draft4Validator  # type: ignore[import-untyped]

from tests.unit.crds.schemas import root, unknown, with_defaults
from tools import fields
from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_NAMES = ("kojihub.md", "database.md", "upgrade.md", "kerberos.md")
PAGES = {page: (ROOT / "docs" / page).read_text("utf-8") for page in PAGE_NAMES}
CODE = (
    *(file for file in (ROOT / "plugins/module_utils/kojihub").glob("*.py") if file.name != "options.py"),
    *(ROOT / "roles/koji_hub/files/database").glob("*.py"),
)
# Reasons are the only words of this form that the code writes out, but for these and Koji's options.
WORD = re.compile(r'"([A-Z][a-z]+(?:[A-Z][A-Za-z]*)+)"')
NO_REASONS = {
    *RESOURCES,
    *("DatabaseReady", "CertificatesValid", "CertificatesLook"),
    *(
        "AlwaysAllow",
        "ClusterIP",
        "FailedCreate",
        "NewReplicaSetAvailable",
        "PodScheduled",
        "ReadWriteMany",
        "ReadWriteOnce",
        "ReplicaFailure",
    ),
    *(
        "AllowedKrbRealms",
        "HostPrincipalFormat",
        "KojiDir",
        "KojiFilesURL",
        "KojiWebURL",
        "LockOut",
        "ProxyDNs",
        "ServerOffline",
    ),
}
EXAMPLE = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
# One line says of all of them what they are.
TOGETHER = ("hub_options.", "authentication.krb.", "cert_manager_issuer.", "mnt_pvc_", "httpd_pvc_")


def reasons() -> list[str]:
    return sorted({word for file in CODE for word in WORD.findall(file.read_text("utf-8"))} - NO_REASONS)


def examples() -> Iterator[Any]:
    for page, text in PAGES.items():
        for number, example in enumerate(EXAMPLE.findall(text), 1):
            for item in yaml.safe_load_all(example):
                if item.get("kind") == "KojiHub" or set(item) == {"spec"}:
                    yield pytest.param(item["spec"], id=f"{page}-{number}")


def test_reasons_are_found() -> None:
    assert {"TooManyReplicas", "HostMissing", "SchemaNewer", "DatabaseJobRuns", "DatabaseMissing"} <= set(reasons())


@pytest.mark.parametrize("reason", reasons())
def test_a_reason_is_explained(reason: str) -> None:
    assert any(f"`{reason}`" in text for text in PAGES.values())


@pytest.mark.parametrize("field", [name for name in fields.fields()["KojiHub"] if name.startswith("spec.")])
def test_a_field_is_mentioned(field: str) -> None:
    name = field.removeprefix("spec.")
    if not name.startswith(TOGETHER):
        assert any(re.search(rf"\b{name.split('.')[-1]}\b", text) for text in PAGES.values())


@pytest.mark.parametrize("spec", list(examples()))
def test_an_example_is_accepted(spec: dict[str, Any]) -> None:
    schema = root("KojiHub")["properties"]["spec"]
    assert list(unknown(spec, schema, "spec")) == []
    errors = Draft4Validator(schema).iter_errors(with_defaults(spec, schema))
    assert [error.message for error in errors] == []
