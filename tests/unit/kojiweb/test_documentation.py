# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the documentation says of a KojiWeb: every reason of its own and every field is in it; examples are accepted."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.unit.crds.schemas import root, unknown
from tests.unit.kojihub.test_documentation import EXAMPLE, NO_REASONS, WORD
from tools import fields
from tools.generated import ROOT

PAGE = (ROOT / "docs/kojiweb.md").read_text("utf-8")
HUB_PAGE = (ROOT / "docs/kojihub.md").read_text("utf-8")
CODE = [file for file in (ROOT / "plugins/module_utils/kojiweb").glob("*.py") if file.name != "options.py"]
OPTIONS = {
    *("SiteName", "KojiHubURL", "KojiHubCA", "KojiTheme", "LoginDisabled"),
    *("WebCert", "WebCCache", "WebKeytab", "WebPrincipal"),
}
# Warnings say what to do themselves.
WARNINGS = {"UnusedSettings", "UnknownWebOption", "SecretInConfigMap", "LoginsImpossible"}
# What a KojiWeb has as a KojiHub has it, or one line is about all of them.
ELSEWHERE = ("authentication.krb.", "web_options.", "koji_hub_url", "host_name", "finalize_timeout")


def reasons() -> list[str]:
    return sorted({word for file in CODE for word in WORD.findall(file.read_text("utf-8"))} - NO_REASONS - OPTIONS)


@pytest.mark.parametrize("reason", reasons())
def test_a_reason_is_explained(reason: str) -> None:
    assert reason in WARNINGS or any(f"`{reason}`" in text for text in (PAGE, HUB_PAGE))


@pytest.mark.parametrize("field", [name for name in fields.fields()["KojiWeb"] if name.startswith("spec.")])
def test_a_field_is_mentioned(field: str) -> None:
    name = field.removeprefix("spec.")
    if not name.startswith(ELSEWHERE):
        assert any(re.search(rf"\b{name.split('.')[-1]}\b", text) for text in (PAGE, HUB_PAGE))


@pytest.mark.parametrize("text", EXAMPLE.findall(PAGE))
def test_an_example_is_accepted(text: str) -> None:
    schema: dict[str, Any] = root("KojiWeb")["properties"]["spec"]
    for item in yaml.safe_load_all(text):
        if item.get("kind") == "KojiWeb" or set(item) == {"spec"}:
            assert list(unknown(item["spec"], schema, "spec")) == []
