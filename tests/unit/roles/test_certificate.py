# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Role koji_certificate makes a CA and what it signs, such that OpenSSL takes them, at its strictest."""

from __future__ import annotations

import base64
import datetime
import json
import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import issue, usable_pair
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.order import manifest, order
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret
from ansible_collections.fedoraproject.koji.plugins.module_utils.making import Made

from tests.devhub.certificates import Authority
from tests.unit.resources.cluster import resource

CHECKOUT = Path(__file__).resolve().parents[3]
HOST = "koji-hub.koji.svc"
END = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=40)).replace(microsecond=0)
ORDERS: dict[str, dict[str, Any]] = {
    "ca": {"key_type": "ECDSA"},
    "rsa-ca": {"key_type": "RSA"},
    "server": {"key_type": "ECDSA", "usage": "serverAuth", "names": [HOST, "localhost"]},
    "admin": {"key_type": "RSA", "usage": "clientAuth"},
}


def run(folder: Path, wanted: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The Secrets of these orders, with what the role makes in one run of Ansible."""
    hub = resource("KojiHub", "hub")
    out = folder / "out.json"
    tasks: list[dict[str, Any]] = [
        task
        for name in wanted
        for task in (
            {
                "ansible.builtin.include_role": {"name": "fedoraproject.koji.koji_certificate", "public": True},
                "vars": {"koji_certificate_wanted": f"{{{{ orders[{name!r}].issue }}}}"},
            },
            {"ansible.builtin.set_fact": {f"made_{name.replace('-', '_')}": "{{ koji_certificate_made }}"}},
        )
    ]
    every = {name: f"{{{{ made_{name.replace('-', '_')} }}}}" for name in wanted}
    tasks.append({"ansible.builtin.copy": {"content": every, "dest": str(out), "mode": "0600"}})
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    play[0]["vars"] = {"orders": wanted}
    playbook = folder / "playbook.yml"
    playbook.write_text(yaml.safe_dump(play, sort_keys=False))
    environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    command = ["ansible-playbook", str(playbook)]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    made = json.loads(out.read_text())
    return {
        name: manifest(one, hub, Names(hub).labels, Made(made[name]["certificate"], made[name]["privatekey"]))
        for name, one in wanted.items()
    }


def texts(secret: dict[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The Secrets, by what they are for."""
    folder = tmp_path_factory.mktemp("role")
    authorities = {
        name: order(Secret(name, "koji"), "ca", {}, issue=issue(f"the {name}", until=END, **ORDERS[name]))
        for name in ("ca", "rsa-ca")
    }
    found = run(folder, authorities)
    leaves = {}
    for name, by in (("server", "ca"), ("admin", "rsa-ca")):
        signer = texts(found[by])
        wanted = issue(
            f"the {name}", until=END, signer=usable_pair(signer["tls.crt"], signer["tls.key"]), **ORDERS[name]
        )
        there = Secret(name, "koji", there=True, version="7")
        leaves[name] = order(there, name, {"ca.crt": signer["tls.crt"]}, issue=wanted, kept=name == "admin")
    return found | run(folder, leaves)


def test_a_secret_has_what_was_ordered(made: dict[str, dict[str, Any]]) -> None:
    assert set(texts(made["ca"])) == {"tls.crt", "tls.key"}
    assert set(texts(made["server"])) == {"tls.crt", "tls.key", "ca.crt"}
    assert set(texts(made["admin"])) == {"tls.crt", "tls.key", "ca.crt", "client.pem"}
    assert texts(made["admin"])["client.pem"] == texts(made["admin"])["tls.crt"] + texts(made["admin"])["tls.key"]
    for name, secret in made.items():
        read = certificates.read(texts(secret)["tls.crt"], texts(secret)["tls.key"])
        assert read.common_name == f"the {name}"
        assert read.expires == END
        assert secret["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "koji-operator"
        assert "ownerReferences" in secret["metadata"] or name != "server"
        assert "ownerReferences" not in secret["metadata"] or name == "server"
    assert "resourceVersion" not in made["ca"]["metadata"]
    assert made["server"]["metadata"]["resourceVersion"] == "7"


def test_a_strict_client_and_a_server_take_them(made: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    files = {}
    for name in ("server", "admin"):
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_text(texts(made[name])["tls.crt"] + texts(made[name])["tls.key"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files["server"])
    server.load_verify_locations(cadata=texts(made["rsa-ca"])["tls.crt"])
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cadata=texts(made["ca"])["tls.crt"])
    client.load_cert_chain(files["admin"])
    for context in (server, client):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert handshake(server, client, HOST) == "the admin"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "elsewhere.example.org")


def test_who_trusts_the_root_alone_accepts_what_an_intermediate_ca_has_signed(tmp_path: Path) -> None:
    above = Authority("root")
    between, root = Authority("between", by=above).pair, above.pair.certificate
    signer = usable_pair(between.certificate + root, between.key)
    orders = {
        name: order(
            Secret(name, "koji"),
            name,
            {"ca.crt": root},
            issue=issue(f"the {name}", until=END, signer=signer, **ORDERS[name]),
        )
        for name in ("server", "admin")
    }
    found = {name: texts(secret) for name, secret in run(tmp_path, orders).items()}
    for name, made in found.items():
        assert made["tls.crt"].count("BEGIN") == 2
        (tmp_path / f"{name}.pem").write_text(made.get("client.pem") or made["tls.crt"] + made["tls.key"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cadata=root)
    client.load_cert_chain(tmp_path / "admin.pem")
    server.load_verify_locations(cadata=root)
    assert handshake(server, client, HOST) == "the admin"


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> str:
    """Who the server thinks that the client is."""
    ours, theirs = socket.socketpair()
    seen: list[Any] = []

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as connection:
                seen.append(connection.getpeercert())
                connection.sendall(b"x")
        except ssl.SSLError as error:
            seen.append(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=host) as connection:
            connection.recv(1)
    finally:
        ours.close()
        thread.join(10)
    assert not isinstance(seen[0], ssl.SSLError), seen[0]
    return str(dict(entry[0] for entry in seen[0]["subject"])["commonName"])
