# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Names of objects and addresses of hubs."""

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import (
    AddressError,
    fullname,
    hub_url,
    same_value,
)
from hypothesis import given, strategies


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("koji-hub:8443", "https://koji-hub.ns.svc:8443/kojihub"),
        ("koji_hub:8443", "https://koji-hub.ns.svc:8443/kojihub"),
        ("koji-hub", "https://koji-hub.ns.svc/kojihub"),
        ("https://koji-hub:8443", "https://koji-hub.ns.svc:8443/kojihub"),
        ("https://koji-hub:8443/", "https://koji-hub.ns.svc:8443/kojihub"),
        ("https://koji.example.org/kojihub/", "https://koji.example.org/kojihub"),
        ("koji.example.org/hub", "https://koji.example.org/hub"),
        ("10.1.2.3:443", "https://10.1.2.3:443/kojihub"),
        ("[fd00::1]:8443", "https://[fd00::1]:8443/kojihub"),
    ],
)
def test_an_address_of_a_hub_is_read_as_people_write_it(address: str, url: str) -> None:
    assert hub_url(address, "ns") == url


@pytest.mark.parametrize(
    "address",
    [
        "http://koji-hub",
        "ftp://x",
        "koji hub",
        "koji-hub:99999",
        "koji-hub:x",
        "",
        "-x",
        "https://a/b?c",
        "a\nb",
        "a/b c",
    ],
)
def test_what_is_no_address_is_refused_and_named(address: str) -> None:
    with pytest.raises(AddressError) as refused:
        hub_url(address, "ns")
    assert repr(address)[1:-1] in repr(str(refused.value))


@given(strategies.text(max_size=30))
def test_any_text_gives_a_clean_url_or_an_error(address: str) -> None:
    try:
        url = hub_url(address, "ns")
    except AddressError:
        return
    assert url.startswith("https://")
    assert not any(c.isspace() for c in url)
    assert hub_url(url, "ns") == url


def test_objects_are_called_after_the_resource() -> None:
    assert fullname("default") == "koji-default"
    assert fullname("koji-web") == "koji-web"
    assert fullname("kojira") == "kojira"


def test_aliases_may_agree_or_be_empty() -> None:
    assert same_value({"a": " x ", "b": "x", "c": "", "d": None}) == ("x", "")
    assert same_value({"a": "", "b": None}) == ("", "")


def test_aliases_that_disagree_are_named() -> None:
    value, conflict = same_value({"a": "x", "b": "y"})
    assert value == ""
    assert conflict == "a is 'x' but b is 'y': they mean the same thing, keep one of them"
