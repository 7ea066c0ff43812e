# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""authentication.krb of a KojiHub: what its pods get, and what is wrong with what it names."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import kerberos
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

from tests.unit.keytabs import keytab
from tests.unit.resources.cluster import NAMESPACE, Objects

HOSTS = ["koji.example", "koji-hub", f"koji-hub.{NAMESPACE}.svc"]
CONF = "[libdefaults]\n  default_realm = KOJI.TEST\n"


class Site(Objects):
    """A namespace with keytabs."""

    def keep(self, name: str, *principals: str) -> None:
        self.add("Secret", name)
        self.there["Secret", name]["data"] = {"krb5.keytab": base64.b64encode(keytab(*principals)).decode()}


@pytest.fixture
def site() -> Site:
    one = Site()
    one.keep("hub", "HTTP/koji.example@KOJI.TEST")
    one.keep("admin", "koji/admin@KOJI.TEST")
    one.add("ConfigMap", "krb5", {"krb5.conf": CONF})
    return one


def look(site: Site, spec: dict[str, Any] | None = None, **krb: Any) -> kerberos.KerberosLook:
    asked = {"authentication": {"krb": {"keytab_secret": "hub", **krb}}}
    return kerberos.look({**asked, **(spec or {})}, HOSTS, NAMESPACE, site)


def problem(site: Site, **krb: Any) -> str:
    with pytest.raises(Problem) as raised:
        look(site, **krb)
    return raised.value.reason


def test_without_it_nothing_is_there(site: Site) -> None:
    assert kerberos.look({}, HOSTS, NAMESPACE, site) == kerberos.KerberosLook()


def test_the_pods_have_keytab_and_settings_and_hub_conf_the_options(site: Site) -> None:
    found = look(
        site,
        krb5_configmap="krb5",
        allowed_realms=["A", "B"],
        host_principal_format="compile/%s@A",
        admin_principal="x@A",
    )
    assert found.on
    assert found.options == {"AllowedKrbRealms": "A, B", "HostPrincipalFormat": "compile/%s@A"}
    [volume] = found.volumes
    assert [next(iter(source)) for source in volume["projected"]["sources"]] == ["secret", "configMap"]
    assert {"name": "KRB5_CONFIG", "value": "/etc/koji-krb5/krb5.conf"} in found.environment
    assert not found.warnings


def test_another_keytab_and_other_settings_roll_the_pods(site: Site) -> None:
    before = look(site).checksum
    site.keep("hub", "HTTP/koji.example@KOJI.TEST", "HTTP/koji-hub@KOJI.TEST")
    after = look(site).checksum
    assert before != after != look(site, krb5_configmap="krb5").checksum


def test_what_it_names_must_be_there_and_fit(site: Site) -> None:
    assert problem(site, keytab_secret="absent") == "MissingSecret"
    assert problem(site, krb5_configmap="absent") == "MissingConfigMap"
    assert problem(site, keytab_secret="admin") == "PrincipalNotInKeytab"
    assert problem(site, admin_keytab_secret="absent", admin_principal="x@A") == "MissingSecret"
    assert problem(site, admin_keytab_secret="admin", admin_principal="x@A") == "PrincipalNotInKeytab"
    assert look(site, admin_keytab_secret="admin", admin_principal="koji/admin@KOJI.TEST").on


def test_a_keytab_of_another_host_and_a_hub_without_tls_are_warned_of(site: Site) -> None:
    site.keep("hub", "HTTP/elsewhere.example@KOJI.TEST")
    found = look(site, {"https_enabled": False})
    assert [warning["reason"] for warning in found.warnings] == ["KeytabForOtherHost", "KerberosWithoutTLS"]
