# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The objects that deploy applies."""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.devhub.certificates import Authority
from tests.devhub.deploy import client_secret, deploy

Objects = dict[tuple[str, str], dict[str, Any]]


def applied(**options: Any) -> Objects:
    """What a deployment to namespace `ns` applies, by kind and name."""
    found: list[dict[str, Any]] = []
    deploy(found.extend, "ns", **options)
    assert {one["metadata"]["namespace"] for one in found} == {"ns"}
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def text(objects: Objects, name: str, key: str) -> str:
    """A key of a Secret."""
    return base64.b64decode(objects["Secret", name]["data"][key]).decode()


def test_the_service_certificate_is_for_the_services_names_and_signed() -> None:
    objects = applied()
    ca = x509.load_pem_x509_certificate(text(objects, "koji-hub-ca-cert", "ca.crt").encode())
    cert = x509.load_pem_x509_certificate(text(objects, "koji-hub-service-cert", "tls.crt").encode())
    cert.verify_directly_issued_by(ca)
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert names == ["koji-hub", "koji-hub.ns", "koji-hub.ns.svc", "koji-hub.ns.svc.cluster.local"]


def test_the_admins_secret_has_all_that_clients_want() -> None:
    objects = applied()
    pem = text(objects, "koji-hub-admin", "client.pem")
    assert pem == text(objects, "koji-hub-admin", "tls.crt") + text(objects, "koji-hub-admin", "tls.key")
    cert = x509.load_pem_x509_certificate(pem.encode())
    assert cert.subject.rfc4514_string() == "CN=koji-admin"
    key = load_pem_private_key(text(objects, "koji-hub-admin", "tls.key").encode(), None)
    assert key.public_key() == cert.public_key()
    assert objects["Secret", "koji-hub-ca-cert-key"]["type"] == "kubernetes.io/tls"


@pytest.mark.parametrize("name", ["koji-hub", "postgresql"])
def test_pods_fit_restricted_and_a_read_only_root(name: str) -> None:
    pod = applied()["Deployment", name]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert not any("hostPath" in volume for volume in pod["volumes"])


def test_no_password_outside_secrets() -> None:
    objects = applied()
    password = text(objects, "postgres", "POSTGRES_PASSWORD")
    others = {key: value for key, value in objects.items() if key[0] != "Secret"}
    assert password not in str(others)
    assert len(password) >= 20


def test_a_change_of_hub_conf_makes_a_new_pod_and_keeps_the_secrets() -> None:
    authority = Authority()
    one, other = applied(authority=authority), applied(authority=authority, hub_conf={"RunInterval": 5})
    assert not [key for key in other if key[0] == "Secret"]
    checksums = [
        objects["Deployment", "koji-hub"]["spec"]["template"]["metadata"]["annotations"] for objects in (one, other)
    ]
    assert checksums[0] != checksums[1]
    assert "RunInterval = 5" in other["ConfigMap", "koji-hub"]["data"]["hub.conf"]


def test_an_authority_that_was_stored_goes_on_signing() -> None:
    first = Authority()
    again = Authority.load(first.pair)
    cert = x509.load_pem_x509_certificate(again.issue("u").certificate.encode())
    cert.verify_directly_issued_by(x509.load_pem_x509_certificate(first.pair.certificate.encode()))
    assert client_secret("s", "ns", again, "u")["metadata"] == {"name": "s", "namespace": "ns"}


def test_koji_volume_from_a_claim() -> None:
    volumes = applied(koji_claim="mnt")["Deployment", "koji-hub"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "koji", "persistentVolumeClaim": {"claimName": "mnt"}} in volumes
