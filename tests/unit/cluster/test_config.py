# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Configuration files as the components read them."""

from __future__ import annotations

import base64
import json
import tomllib
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.cluster import components, config, network, objects, pki
from tests.cluster.paths import Places

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki") / "pki"
    pki.create(folder)
    return folder


def load(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_certificates_are_of_the_ca_and_name_user_and_group(certificates: Path) -> None:
    ca = load(certificates / "ca.crt")
    for name, (user, group) in pki.CLIENTS.items():
        certificate = load(certificates / f"{name}.crt")
        certificate.verify_directly_issued_by(ca)
        assert certificate.subject.rfc4514_string() in {f"CN={user}", f"O={group},CN={user}"}
        key = serialization.load_pem_private_key((certificates / f"{name}.key").read_bytes(), None)
        assert key.public_key() == certificate.public_key()


def test_private_keys_are_private(certificates: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in certificates.glob("*.key")} == {0o600}
    assert certificates.stat().st_mode & 0o777 == 0o700


def test_the_api_server_is_valid_under_the_names_that_pods_and_we_use(certificates: Path) -> None:
    names = load(certificates / "apiserver.crt").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert network.API_SERVICE_IP in addresses
    assert network.NODE_IP in addresses


def test_the_kubeconfig_verifies_the_server(certificates: Path) -> None:
    data = json.loads(config.kubeconfig(certificates, "admin"))
    cluster = data["clusters"][0]["cluster"]
    assert cluster["server"].startswith("https://")
    assert "insecure-skip-tls-verify" not in cluster
    assert base64.b64decode(cluster["certificate-authority-data"]) == (certificates / "ca.crt").read_bytes()
    assert base64.b64decode(data["users"][0]["user"]["client-key-data"]) == (certificates / "admin.key").read_bytes()


def test_containerd_keeps_everything_in_the_state_folder() -> None:
    places = Places("one")
    data = tomllib.loads(config.containerd(places))
    folders = [
        data["root"],
        data["state"],
        data["grpc"]["address"],
        data["plugins"]["io.containerd.internal.v1.opt"]["path"],
        data["plugins"]["io.containerd.grpc.v1.cri"]["cni"]["conf_dir"],
    ]
    assert all(folder.startswith(f"{places.state}/") for folder in folders)
    assert data["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"] == "localhost/pause:dev"


def test_the_kubelet_has_its_own_cgroup_and_honest_timing() -> None:
    data = json.loads(config.kubelet(Places("one")))
    assert data["cgroupRoot"] == "/koji-one"
    assert not {"syncFrequency", "nodeStatusUpdateFrequency", "volumeStatsAggPeriod"} & data.keys()
    assert data["authentication"]["anonymous"]["enabled"] is False


def test_the_audit_policy_keeps_every_write() -> None:
    rules = json.loads(config.audit_policy())["rules"]
    assert rules[-1] == {"level": "Metadata"}
    dropped = [rule for rule in rules if rule["level"] == "None"]
    assert all("nonResourceURLs" in rule or set(rule["verbs"]) == {"get", "list", "watch"} for rule in dropped)


def test_the_api_server_has_rbac_audit_and_openshifts_admission(tmp_path: Path) -> None:
    commands = {each.name: each.command for each in components.components(Places("one"), tmp_path)}
    apiserver = commands["apiserver"]
    assert "--authorization-mode=Node,RBAC" in apiserver
    assert any("OwnerReferencesPermissionEnforcement" in option for option in apiserver)
    assert f"--audit-log-path={Places('one').audit_log}" in apiserver
    assert list(commands)[:2] == ["etcd", "apiserver"]


def test_volumes_are_local_ones_of_the_default_class() -> None:
    items = objects.all_objects(Places("one"))["items"]
    (storage,) = (item for item in items if item["kind"] == "StorageClass")
    assert storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    volumes = [item for item in items if item["kind"] == "PersistentVolume"]
    assert len(volumes) == objects.VOLUME_COUNT
    paths = {item["spec"]["local"]["path"] for item in volumes}
    assert len(paths) == len(volumes)
    for_many = [item for item in volumes if "ReadWriteMany" in item["spec"]["accessModes"]]
    assert len(for_many) == len(volumes) / 2
    assert {item["spec"]["capacity"]["storage"] for item in for_many} == {"100Gi"}
    assert {item["spec"]["storageClassName"] for item in volumes} == {storage["metadata"]["name"]}
