# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub that the suite talks to: a foreign one named by the environment, or a devhub of its own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from requests.adapters import BaseAdapter, HTTPAdapter

from .callers import Session, client

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLES = ("KOJI_HUB_URL", "KOJI_HUB_CA", "KOJI_HUB_ADMIN_PEM", "KOJI_HUB_HOST_PEM")


@dataclass(frozen=True)
class Address:
    """Where a hub is and who may log in there.

    `elsewhere` makes an adapter for requests that come from another IP address than usual; None: there is no other.
    `tls`: there is a TLS connection, not just a call in this process.
    """

    url: str
    ca: Path
    admin_pem: Path
    host_pem: Path
    elsewhere: Callable[[], BaseAdapter | None] = field(default=lambda: None)
    tls: bool = True

    @property
    def host_name(self) -> str:
        """The hub user of the host's certificate: its common name."""
        return common_name(self.host_pem)

    @property
    def admin_name(self) -> str:
        """The hub user of the admin's certificate."""
        return common_name(self.admin_pem)

    def login(self, pem: Path) -> Session:
        """Log in with a certificate."""
        session = client(self.url, self.ca)
        session.ssl_login(str(pem), None, str(self.ca))
        return session


class SourceAddress(HTTPAdapter):
    """Connects from a given local address."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Bind the pool's connections."""
        super().init_poolmanager(*args, **kwargs, source_address=(self.address, 0))


def other_source(url: str) -> Callable[[], BaseAdapter | None]:
    """How to connect to this hub from another address of this machine than its connections usually come from."""

    def adapter() -> BaseAdapter | None:
        target = urlsplit(url)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((str(target.hostname), target.port or 443))
            usual = str(probe.getsockname()[0])
        if usual.startswith("127."):
            return SourceAddress("127.0.0.2")
        told = subprocess.run(["ip", "-j", "-4", "address"], capture_output=True, text=True, check=True).stdout
        addresses = [entry["local"] for link in json.loads(told) for entry in link["addr_info"]]
        others = [address for address in addresses if address != usual and not address.startswith("127.")]
        return SourceAddress(others[0]) if others else None

    return adapter


@dataclass
class Hub:
    """A hub under test, this run's names on it, and the settings of its hub.conf that the tests depend on.

    `numbered`: it looks at the numbers of calls. Koji's releases up to 1.35 read another header than its client sends.
    """

    address: Address
    admin: Session
    run: str
    version: str
    settings: dict[str, Any] = field(default_factory=dict)
    numbered: bool = True
    counter: int = 0

    def name(self, what: str) -> str:
        """A name that no other run and no other test uses."""
        self.counter += 1
        return f"contract-{what}-{self.run}-{self.counter}"


def from_environment() -> Address | None:
    """The foreign hub that the environment names, if it does."""
    if not os.environ.get("KOJI_HUB_URL"):
        return None
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        raise ValueError(f"KOJI_HUB_URL is set, but not {', '.join(missing)}")
    url, ca, admin, host = (os.environ[name] for name in VARIABLES)
    return Address(url, Path(ca), Path(admin), Path(host), other_source(url))


def common_name(pem: Path) -> str:
    """The common name in a certificate."""
    certificate = x509.load_pem_x509_certificate(pem.read_bytes())
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


# Koji's own defaults, for a hub too old to tell its settings.
DEFAULTS = {
    "AssignTimeout": 300,
    "CapacityOvercommit": 5,
    "CheckClientIP": True,
    "HostTimeout": 900,
    "LoginCreatesUser": True,
    "MaxJobs": 15,
    "ReadyTimeout": 180,
    "RunInterval": 60,
    "SessionRenewalTimeout": 1440,
    "SoftRefusalTimeout": 900,
}


def read_settings(admin: Session) -> dict[str, Any]:
    """The hub's own account of its hub.conf (call showOpts, for admins)."""
    told = admin.showOpts()
    found = dict(DEFAULTS)
    for name in DEFAULTS:
        match = re.search(rf"'{name}': (True|False|\d+)", told)
        if match:
            text = match.group(1)
            found[name] = text == "True" if text in {"True", "False"} else int(text)
    return found


def numbers_calls(admin: Session) -> bool:
    """Whether the hub keeps the number of a session's last call that wrote something."""
    return admin.getSessionInfo()["callnum"] is not None


def needs_numbers(hub: Hub) -> None:
    """Skip on a hub that does not look at the numbers of calls."""
    if not hub.numbered:
        pytest.skip(f"this hub of Koji {hub.version} does not look at the numbers of calls; later ones do")


# The longest time, in seconds, that a test waits for.
PATIENCE = 10


def needs(hub: Hub, **wanted: int | bool) -> None:
    """Skip, naming the setting that the hub lacks; a number is the most that the test can wait for."""
    for setting, value in wanted.items():
        has = hub.settings[setting]
        if (has is not value) if isinstance(value, bool) else not 0 < has <= value:
            most = "" if isinstance(value, bool) else "at most "
            pytest.skip(f"hub.conf has {setting} = {has}, this test needs {most}{value}")
