# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The pods' proxy and CAs."""

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.environment import TRUSTED_CA, environment


def test_a_resource_that_asks_for_nothing_gets_nothing() -> None:
    assert environment({}, ["postgresql"]) == []
    assert environment({"proxy": {"no_proxy": ["a"]}}, []) == []


def test_the_proxy_is_told_in_both_cases_and_the_clusters_own_hosts_are_reached_directly() -> None:
    proxy = {"http_proxy": "http://p:3128", "no_proxy": ["example.org", "localhost"]}
    found = {entry["name"]: entry["value"] for entry in environment({"proxy": proxy}, ["db.example", ""])}
    assert found["http_proxy"] == found["HTTP_PROXY"] == "http://p:3128"
    assert "https_proxy" not in found
    assert found["no_proxy"] == found["NO_PROXY"]
    assert found["no_proxy"].split(",") == [
        "localhost", "127.0.0.1", "::1", ".svc", ".cluster.local", "db.example", "example.org",
    ]  # fmt: skip


def test_the_sites_cas_are_where_each_library_looks() -> None:
    found = {entry["name"]: entry["value"] for entry in environment({"trusted_ca_configmap": "cas"}, [])}
    assert found == dict.fromkeys(("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), TRUSTED_CA)
