# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Keytabs of Secrets, and what a person is told of one that is no good."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.keytab import KeytabError, read, settings
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.keytabs import keytab, secret

BUILDER, WEB = "compile/pods@KOJI.TEST", "web@KOJI.TEST"


def reading(data: dict[str, str] | None) -> Any:
    return read(None if data is None else {"data": data}, "s", "koji", "keytab_secret")


def reason(data: dict[str, str] | None) -> str:
    with pytest.raises(KeytabError) as raised:
        reading(data)
    assert "Secret 's' in namespace 'koji', which keytab_secret names," in raised.value.message
    return raised.value.reason


def test_the_principals_of_a_keytab_are_read_each_once() -> None:
    assert reading(secret(keytab(BUILDER, BUILDER, WEB))).principals == (BUILDER, WEB)


def test_what_is_missing_or_no_keytab_is_named() -> None:
    assert reason(None) == "MissingSecret"
    assert reason({}) == "MissingSecretKey"
    assert reason(secret(keytab(WEB), "other")) == "MissingSecretKey"
    for content in (b"hello", b"\x05\x01", keytab(WEB)[:-9], b"\x05\x02", b"\x05\x02\x00\x00\x00\x01x"):
        assert reason(secret(content)) == "InvalidKeytab"
    assert reason({"krb5.keytab": "no base64!"}) == "InvalidKeytab"


def test_a_principal_that_is_not_there_is_told_with_those_that_are() -> None:
    found = reading(secret(keytab(BUILDER)))
    found.require(BUILDER)
    with pytest.raises(KeytabError, match=f"Secret 's' has no key of {WEB}, but of {BUILDER}") as raised:
        found.require(WEB)
    assert raised.value.reason == "PrincipalNotInKeytab"
    many = reading(secret(keytab(*(f"{n}@X" for n in range(9)))))
    assert many.listed == "0@X, 1@X, 2@X, 3@X, 4@X and 4 more"


def test_keys_are_in_no_picture_of_it() -> None:
    assert "kkkk" not in repr(reading(secret(keytab(WEB))))


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_it_is_a_keytab_or_an_error(content: bytes) -> None:
    for one in (content, b"\x05\x02" + content):
        with contextlib.suppress(KeytabError):
            assert reading(secret(one)).principals


def test_settings_are_read_where_they_are_named() -> None:
    text = "[libdefaults]\n  default_realm = X\n"
    assert not settings(None, "", "koji", "krb5_configmap")
    assert settings({"data": {"krb5.conf": text}}, "c", "koji", "krb5_configmap") == text.strip()
    for there, wanted in (
        (None, "MissingConfigMap"),
        ({"data": {}}, "MissingConfigMapKey"),
        ({"data": {"krb5.conf": "hello"}}, "InvalidConfigMap"),
    ):
        with pytest.raises(KeytabError, match="ConfigMap 'c' in namespace 'koji', which krb5_configmap") as raised:
            settings(there, "c", "koji", "krb5_configmap")
        assert raised.value.reason == wanted
