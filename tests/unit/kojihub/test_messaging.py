# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Messages: what is read for them, what is said when it is wrong, and what the library is told."""

from __future__ import annotations

import datetime
import tomllib
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import messaging, toml
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.resources.cluster import Authority, Objects

from .hubs import names

URL = "amqps://koji@rabbitmq/koji"
PASSWORD_URL = "amqps://koji:something@rabbitmq"


def pem(days: int = 365) -> dict[str, str]:
    """The three files of a client."""
    authority = Authority()
    certificate, key = authority.issue("koji", days)
    return {"ca_cert.pem": authority.certificate, "client_cert.pem": certificate, "client_key.pem": key}


def looked(objects: Objects | None = None, **spec: Any) -> messaging.MessagingLook:
    """What is found for a KojiHub with this spec."""
    return messaging.look(spec, names(**spec), objects or Objects())


def problem(objects: Objects | None = None, **spec: Any) -> tuple[str, str]:
    """Reason and message of what is refused."""
    with pytest.raises(Problem) as refused:
        looked(objects, **spec)
    return refused.value.reason, refused.value.message


def test_without_a_url_there_is_nothing() -> None:
    objects = Objects()
    objects.add("Secret", messaging.DEFAULT_CERTIFICATES, pem())
    assert not looked(objects, topic_prefix="mbox").url
    assert not looked(objects, fedora_messaging_url="").files


def test_a_url_of_the_resource_with_a_password_works_and_is_warned_of() -> None:
    found = looked(fedora_messaging_url=PASSWORD_URL)
    assert found.url == PASSWORD_URL
    [warning] = found.warnings
    assert warning["reason"] == "PasswordInResource"
    assert "fedora_messaging_secret" in warning["message"]
    assert "something" not in warning["message"]
    assert not looked(fedora_messaging_url=URL).warnings


def test_a_url_of_a_secret_is_the_quiet_way() -> None:
    objects = Objects()
    objects.add("Secret", "broker", {"url": f"{PASSWORD_URL}\n"})
    found = looked(objects, fedora_messaging_secret="broker")
    assert (found.url, found.warnings) == (PASSWORD_URL, [])
    assert "something" not in repr(found)


def test_a_secret_that_is_missing_or_wrong_is_named() -> None:
    objects = Objects()
    field = {"fedora_messaging_secret": "broker"}
    reason, message = problem(objects, **field)
    assert (reason, "Secret 'broker' in namespace 'koji' does not exist" in message) == ("MissingSecret", True)
    objects.add("Secret", "broker", {"uri": "x"})
    reason, message = problem(objects, **field)
    assert (reason, "has no key 'url'" in message) == ("MissingSecretKey", True)
    objects.there["Secret", "broker"]["data"] = {"url": "/w=="}
    reason, message = problem(objects, **field)
    assert (reason, "key 'url' is not text" in message) == ("InvalidSecret", True)
    objects.add("Secret", "broker", {"url": "https://hidden"})
    reason, message = problem(objects, **field)
    assert (reason, "hidden" in message) == ("InvalidMessagingURL", False)
    assert problem(fedora_messaging_url="rabbitmq:hidden")[0] == "InvalidMessagingURL"


def test_the_default_certificates_are_used_if_they_exist() -> None:
    objects, files = Objects(), pem()
    assert not looked(objects, fedora_messaging_url=URL).files
    objects.add("Secret", "koji-fedora-messaging-cert", files)
    assert looked(objects, fedora_messaging_url=URL).files == files
    assert not looked(objects, fedora_messaging_url="amqp://rabbitmq").files


def test_certificates_may_be_in_a_configmap_of_that_name_with_a_warning() -> None:
    objects, files = Objects(), pem()
    objects.add("ConfigMap", "koji-hub-msg", files)
    found = looked(objects, fedora_messaging_url=URL, messaging_cert_cm="koji-hub-msg")
    assert found.files == files
    assert [warning["reason"] for warning in found.warnings] == ["KeyInConfigMap"]


def test_certificates_that_are_named_and_missing_are_a_problem() -> None:
    reason, message = problem(fedora_messaging_url=URL, messaging_cert_cm="absent")
    assert (reason, "'absent'" in message) == ("MissingSecret", True)


@pytest.mark.parametrize("key", ["ca_cert.pem", "client_cert.pem", "client_key.pem"])
def test_a_key_that_is_missing_is_named(key: str) -> None:
    objects, files = Objects(), pem()
    objects.add("Secret", "msg", {**files, key: " "})
    reason, message = problem(objects, fedora_messaging_url=URL, messaging_cert_cm="msg")
    assert (reason, f"no key '{key}'" in message) == ("MissingSecretKey", True)


def test_a_ca_alone_is_enough_for_a_broker_that_asks_for_a_password() -> None:
    objects, ca = Objects(), {"ca_cert.pem": pem()["ca_cert.pem"]}
    objects.add("ConfigMap", "msg", ca)
    found = looked(objects, fedora_messaging_url=URL, messaging_cert_cm="msg")
    assert (found.files, found.warnings) == (ca, [])
    assert found.settings()["tls"] == {"ca_cert": "/etc/fedora-messaging/ca_cert.pem", "certfile": "", "keyfile": ""}


def test_certificates_that_can_not_be_used_are_named() -> None:
    objects = Objects()
    objects.add("Secret", "msg", {**pem(), "ca_cert.pem": "my_ca_cert_content"})
    assert problem(objects, fedora_messaging_url=URL, messaging_cert_cm="msg")[0] == "InvalidCertificate"
    objects.add("Secret", "msg", {**pem(), "client_key.pem": pem()["client_key.pem"]})
    reason, message = problem(objects, fedora_messaging_url=URL, messaging_cert_cm="msg")
    assert (reason, "the key is not the certificate's" in message) == ("InvalidCertificate", True)


def test_an_expired_certificate_is_warned_of_and_the_hub_serves_on() -> None:
    objects = Objects()
    objects.add("Secret", "msg", pem(days=-1))
    found = looked(objects, fedora_messaging_url=URL, messaging_cert_cm="msg")
    assert [warning["reason"] for warning in found.warnings] == ["MessagingCertificateExpired"]


def test_the_library_gets_the_url_the_prefix_and_the_certificates() -> None:
    objects = Objects()
    objects.add("Secret", "msg", pem())
    found = looked(objects, fedora_messaging_url=URL, messaging_cert_cm="msg", topic_prefix="mbox_dev")
    assert tomllib.loads(messaging.render(found, "")) == {
        "amqp_url": URL,
        "topic_prefix": "mbox_dev",
        "passive_declares": True,
        "client_properties": {"app": "koji-hub koji/hub"},
        "tls": {
            "ca_cert": "/etc/fedora-messaging/ca_cert.pem",
            "certfile": "/etc/fedora-messaging/client_cert.pem",
            "keyfile": "/etc/fedora-messaging/client_key.pem",
        },
    }


def test_the_sites_keys_win_inside_tables_too() -> None:
    found = looked(fedora_messaging_url=URL, topic_prefix="a")
    site = 'topic_prefix = "b"\n[client_properties]\nowner = "me"\n[exchanges."amq.topic"]\ndurable = true\n'
    read = tomllib.loads(messaging.render(found, site))
    assert read["topic_prefix"] == "b"
    assert read["client_properties"] == {"app": "koji-hub koji/hub", "owner": "me"}
    assert read["exchanges"] == {"amq.topic": {"durable": True}}
    assert read["amqp_url"] == URL


@given(url=st.text(min_size=1), prefix=st.text(), app=st.text())
def test_no_text_adds_a_key(url: str, prefix: str, app: str) -> None:
    read = tomllib.loads(messaging.render(messaging.MessagingLook(url=url, topic_prefix=prefix, app=app), ""))
    assert read == {
        "amqp_url": url,
        "topic_prefix": prefix,
        "passive_declares": True,
        "client_properties": {"app": app},
    }


VALUES = st.recursive(
    st.text()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.datetimes(timezones=st.just(datetime.UTC))
    | st.dates()
    | st.times(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), VALUES))
def test_toml_reads_back_as_it_was_written(table: dict[str, Any]) -> None:
    assert tomllib.loads(toml.dumps(table)) == table


def test_what_toml_can_not_hold_is_an_error() -> None:
    with pytest.raises(TypeError, match="TOML has no set"):
        toml.dumps({"a": {1}})
