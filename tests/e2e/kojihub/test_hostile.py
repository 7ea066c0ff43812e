# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub whose fields hold hostile strings: it serves, what is made of it holds them as they are, and nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.bad_input import hostile

if TYPE_CHECKING:
    from tests.e2e.kube import Json

    from .site import Site

TEXTS = {family: hostile.written(texts[0], 7) for family, texts in hostile.FAMILIES.items()}
NOTES = {f"example.org/{family}": text for family, text in TEXTS.items()}
ENV = [{"name": f"HOSTILE_{family.upper()}", "value": text} for family, text in TEXTS.items()]
# A line of hub.conf: what has several is refused, tests/unit/kojihub says how.
OPTIONS = {"DebuginfoTags": TEXTS["jinja"], "SourceTags": TEXTS["shell"]}


@pytest.fixture(scope="module")
def served(site: Site) -> Site:
    """A site whose hub is ready with all of them."""
    site.ready(
        host="koji.example.org",
        env=ENV,
        hub_options=OPTIONS,
        ingress_annotations=NOTES,
        service_account_annotations=NOTES,
    )
    return site


def noted(site: Site, kind: str) -> Json:
    found = site.kube.get(kind, "koji-hub", site.namespace)
    assert found is not None
    notes: Json = found["metadata"]["annotations"]
    return notes


def test_annotations_are_as_they_were_written(served: Site) -> None:
    for kind in ("Ingress", "ServiceAccount"):
        assert noted(served, kind).items() >= NOTES.items()


def test_the_pods_environment_is_as_it_was_written(served: Site) -> None:
    for variable in ENV:
        said = served.in_pod("printenv", variable["name"])
        assert said.replace("\r\n", "\n") == variable["value"].replace("\r\n", "\n") + "\n"


def test_hub_conf_has_no_more_options_than_were_given(served: Site) -> None:
    found = served.kube.get("ConfigMap", "koji-hub-config", served.namespace)
    assert found is not None
    lines = found["data"]["hub.conf"].splitlines()
    for option, text in OPTIONS.items():
        [line] = [line for line in lines if line.startswith(f"{option} ")]
        assert line.partition("= ")[2].replace("%%", "%") == text
    assert "evil" not in found["data"]["hub.conf"]


def test_nothing_ran(served: Site) -> None:
    assert not Path(hostile.MARKER).exists()
    assert served.in_pod("sh", "-c", f"test ! -e {hostile.MARKER} && echo fine") == "fine\n"
