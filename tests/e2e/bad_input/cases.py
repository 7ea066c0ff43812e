# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The bad resources of each file of tests, and what has to be there for them to be bad in one way only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.devhub.certificates import Authority
from tests.e2e.resources import builder, user

from .world import config_map, copied_secret, secret

if TYPE_CHECKING:
    from tests.e2e.kube import Json

    from .world import World

# Nobody listens there.
NOWHERE = "https://127.0.0.1:9/kojihub"


def _ssl(**names: str) -> Json:
    return {"ssl": names}


def everyones(world: World) -> list[Json]:
    """Each hub's Secrets, as they are called in the other one's namespace."""
    kube, own, other = world.kube, world.namespace, world.other.namespace
    names = ("admin", "ca-cert", "ca-cert-key")
    return [
        copied_secret(kube, f"koji-hub-{name}", f"{prefix}-{name}", source, target)
        for prefix, source, target in (("other", other, own), ("first", own, other))
        for name in names
    ]


def references(world: World) -> list[Json]:
    """Secrets with something missing or wrong, and resources that name them."""
    own = world.namespace
    admin = world.kube.secret(own, "koji-hub-admin")
    pair = {"tls_crt": admin["tls.crt"], "tls_key": admin["tls.key"]}
    return [
        secret("half-admin", own, tls_crt=admin["tls.crt"]),
        secret("bare-admin", own, **pair),
        secret("binary", own, tls_crt=b"\xff\xfe\x00", tls_key=b"\xff"),
        secret("garbage", own, tls_crt="not a certificate", tls_key="not a key"),
        secret("empty-ca", own, tls_crt="in the wrong key"),
        user("no-admin", own, admin_secret="no-such-secret"),
        user("half-admin", own, admin_secret="half-admin"),
        user("binary-admin", own, admin_secret="binary"),
        user("late", own, admin_secret="late-admin"),
        builder("no-ca", own, admin_secret="bare-admin", authentication=_ssl(cacert_secret="no-such-ca")),
        builder("empty-ca", own, cacert_secret="empty-ca"),
        user("garbage", own, authentication=_ssl(client_secret_name="garbage")),
        builder("someone-elses", own, client_cert_secret="koji-hub-admin"),
        user("one-secret", own, authentication=_ssl(ca_secret_name="both", client_secret_name="both")),
    ]


def hubs(world: World) -> list[Json]:
    """Resources of hubs that aren't there, aren't hubs, or don't trust each other; `other` is down."""
    own, url = world.namespace, world.hub.url
    elsewhere = {
        "hub_host": world.other.url,
        "admin_secret": "other-admin",
        "cacert_secret": "other-ca-cert",
        "finalize_timeout": 1,
    }
    return [
        secret("foreign-ca", own, ca_crt=Authority("somebody else's CA").pair.certificate),
        world.hub.deployed.user_secret("not-admin", "not-admin"),
        # First: they are tried again.
        user("hub-down", own, **elsewhere),
        builder("hub-down-builder", own, **elsewhere),
        user("nobody-there", own, hub_host=NOWHERE),
        builder("no-such-name", own, hub_host="https://no-such-name.invalid:8443"),
        builder("wrong-path", own, hub_host=url.replace("/kojihub", "/wrong")),
        user("plain-http", own, koji_hub_url="http://koji-hub:8443"),
        user("foreign-ca", own, authentication=_ssl(ca_secret_name="foreign-ca")),
        builder("foreign-ca-builder", own, cacert_secret="foreign-ca"),
        user("foreign-admin", own, admin_secret="other-admin"),
        user("not-admins", own, admin_secret="not-admin"),
    ]


def names(world: World) -> list[Json]:
    """Resources whose names, or the names in them, mean something else or nothing."""
    own = world.namespace
    return [
        config_map("koji-taken-builder", own, note="somebody's own"),
        builder("existing-user", own),
        user("some-permissions", own, permissions=["repo", "no-such-permission", "host"]),
        builder("some-channels", own, channels=["createrepo", "no-such-channel"], description="in line"),
        user("two-hubs", own, hub_host="koji-hub:8443", host_name="another:8443"),
        builder("two-users", own, koji_hub_user="one", hub_username="two"),
        user("two-cas", own, cacert_secret="one", authentication=_ssl(ca_secret_name="two")),
        user("koji-admin", own, permissions=[]),
        builder("taken", own),
        builder("twin", own),
        builder("koji-twin", own),
    ]


def quota(namespace: str) -> Json:
    """One that the root CA's ConfigMap of a namespace uses up."""
    metadata = {"name": "no-more-configmaps", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"configmaps": "1"}}}


def full_namespace(world: World, namespace: str) -> list[Json]:
    """A builder and a user of the first hub, elsewhere."""
    here = {"hub_host": world.hub.url}
    return [
        *(
            copied_secret(world.kube, name, name, world.namespace, namespace)
            for name in ("koji-hub-admin", "koji-hub-ca-cert", "koji-hub-ca-cert-key")
        ),
        builder("no-room", namespace, **here),
        user("has-room", namespace, **here),
    ]
