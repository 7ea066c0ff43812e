# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Messages leave the hub's pod for a real RabbitMQ, by the configuration and certificates that the role makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.devhub.manifests import config_map, deployment, empty, mount, secret
from tests.e2e.resources import SOON

from . import broker
from .site import IMAGE

if TYPE_CHECKING:
    from tests.devhub.certificates import Authority
    from tests.e2e.kube import Kube

    from .site import Site

LIBRARY = "/opt/fedora-messaging"
PUBLISH = """
import json, sys
sys.path.insert(0, "/opt/fedora-messaging")
from fedora_messaging import api, message
api.publish(message.Message(topic="hub.build", body=json.loads(sys.argv[1])), timeout=20)
"""
# Prints each message's topic and body, once it has said that it listens.
CONSUME = f"""
import ssl, sys
sys.path.insert(0, "{LIBRARY}")
import pika
context = ssl.create_default_context(cafile="/etc/consumer/ca_cert.pem")
context.load_cert_chain("/etc/consumer/client_cert.pem", "/etc/consumer/client_key.pem")
options = pika.SSLOptions(context, "rabbitmq")
external = pika.credentials.ExternalCredentials()
parameters = pika.ConnectionParameters("rabbitmq", 5671, ssl_options=options, credentials=external)
channel = pika.BlockingConnection(parameters).channel()
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, "amq.topic", "#")
print("listening", flush=True)
for method, properties, body in channel.consume(queue, auto_ack=True):
    print(method.routing_key, body.decode(), flush=True)
"""


@pytest.fixture(scope="module")
def authority(kube: Kube, site: Site) -> Authority:
    """The CA of a broker that listens, with someone who reads all that is sent."""
    made = broker.deploy(kube, site.namespace)
    container = {
        "image": IMAGE,
        "command": ["python3", "/etc/program/consume.py"],
        "volumeMounts": [mount("files", "/etc/consumer"), mount("program", "/etc/program"), mount("tmp", "/tmp")],  # noqa: S108
    }
    volumes = [
        {"name": "files", "secret": {"secretName": "consumer"}},
        {"name": "program", "configMap": {"name": "consumer"}},
        empty("tmp"),
    ]
    kube.apply_all(
        [
            secret("consumer", site.namespace, broker.client_files(made, "consumer")),
            config_map("consumer", site.namespace, {"consume.py": CONSUME}),
            deployment("consumer", site.namespace, container, volumes, "1"),
        ]
    )
    kube.wait_for(lambda: "listening" in read(site), SOON, "the consumer listens", lambda: read(site))
    return made


def read(site: Site) -> str:
    """What the consumer has printed."""
    pods = site.kube.find("Pod", site.namespace, "app=consumer")
    return "".join(site.kube.logs(site.namespace, pod["metadata"]["name"]) for pod in pods)


def publish(site: Site, body: dict[str, Any]) -> None:
    """Publish from inside the hub's pod; the library finds its configuration where it is for the plugin."""
    site.in_pod("python3", "-c", PUBLISH, json.dumps(body))


def arrives(site: Site, topic: str, body: dict[str, Any]) -> None:
    line = f"{topic} {json.dumps(body)}"
    site.kube.wait_for(lambda: line in read(site).splitlines(), SOON, f"{line} arrives", lambda: read(site))


def test_without_a_url_nothing_of_it_exists(site: Site) -> None:
    site.ready()
    with pytest.raises(AssertionError):
        site.in_pod("test", "-e", "/etc/fedora-messaging/config.toml")
    assert "messaging" not in site.in_pod("cat", "/etc/koji-hub/hub.conf")


def test_messages_are_sent_under_the_prefix(site: Site, authority: Authority) -> None:
    site.kube.apply_all(
        [
            secret("koji-fedora-messaging-cert", site.namespace, broker.client_files(authority, "koji")),
            secret("broker", site.namespace, {"url": broker.URL}),
        ]
    )
    site.ready(fedora_messaging_secret="broker", topic_prefix="mbox_dev")
    publish(site, {"build": 1})
    arrives(site, "mbox_dev.hub.build", {"build": 1})
    assert "Plugins" in site.in_pod("cat", "/etc/koji-hub/hub.conf")


def test_certificates_may_be_in_a_configmap_of_any_name(site: Site, authority: Authority) -> None:
    site.kube.apply_all([config_map("koji-hub-msg", site.namespace, broker.client_files(authority, "koji"))])
    site.ready(fedora_messaging_url=broker.URL, topic_prefix="other", messaging_cert_cm="koji-hub-msg")
    publish(site, {"build": 2})
    arrives(site, "other.hub.build", {"build": 2})


def test_a_password_in_the_url_works_and_is_warned_of(site: Site, authority: Authority) -> None:
    url = broker.URL.replace("//", "//koji:a-password@")
    site.ready(fedora_messaging_url=url, topic_prefix="with.password")
    publish(site, {"build": 3})
    arrives(site, "with.password.hub.build", {"build": 3})
    conditions = json.dumps(site.get()["status"]["conditions"])
    assert "fedora_messaging_secret" in conditions
    assert "a-password" not in conditions
    for kind in ("ConfigMap", "Deployment", "Event"):
        assert "a-password" not in json.dumps(site.kube.find(kind, site.namespace), default=str), kind
