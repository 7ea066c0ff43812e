# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Web pages whose fields hold hostile strings: they serve, what is made of it holds them as they are, nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.devhub.manifests import config_map
from tests.e2e.bad_input import hostile

from .site import NAME, WebSite

TEXTS = {family: hostile.written(texts[0], 7) for family, texts in hostile.FAMILIES.items()}
NOTES = {f"example.org/{family}": text for family, text in TEXTS.items()}
ENV = [{"name": f"HOSTILE_{family.upper()}", "value": text} for family, text in TEXTS.items()]
OPTIONS = {"SiteName": TEXTS["jinja"], "KojiGreeting": TEXTS["yaml"], "KrbService": TEXTS["shell"]}


@pytest.fixture(scope="module")
def served(site: WebSite) -> WebSite:
    """A site whose web pages are ready with all of them."""
    site.kube.apply(config_map("looks", site.namespace, {"extra-footer.html": TEXTS["jinja"]}))
    site.ready(
        host="koji.example.org",
        env=ENV,
        web_options=OPTIONS,
        theme_configmap="looks",
        ingress_annotations=NOTES,
        service_account_annotations=NOTES,
    )
    return site


def test_annotations_are_as_they_were_written(served: WebSite) -> None:
    for kind in ("Ingress", "ServiceAccount"):
        assert served.good(kind)["metadata"]["annotations"].items() >= NOTES.items()


def test_the_pods_environment_is_as_it_was_written(served: WebSite) -> None:
    for variable in ENV:
        said = served.in_pod("printenv", variable["name"])
        assert said.replace("\r\n", "\n") == variable["value"].replace("\r\n", "\n") + "\n"


def test_web_conf_has_no_more_options_than_were_given(served: WebSite) -> None:
    names = [line.partition(" = ")[0] for line in served.web_conf() if line and not line.startswith("[")]
    ours = ["KojiFilesURL", "KojiHubCA", "KojiHubURL", "KojiTheme", "WebCert"]
    assert sorted(names) == sorted([*ours, *OPTIONS])
    assert [line for line in served.web_conf() if line.startswith("[")] == ["[web]"]


def test_the_pages_show_them_as_text(served: WebSite) -> None:
    page = served.browser().page()
    assert hostile.EVALUATED not in page
    assert "{{ 7*7 }}" in page


def test_nothing_ran(served: WebSite) -> None:
    assert not Path(hostile.MARKER).exists()
    assert served.in_pod("sh", "-c", f"test ! -e {hostile.MARKER} && echo fine") == "fine\n"
    assert served.good("ConfigMap", f"{NAME}-config")
