# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub's files made in memory, and read as Koji and its library read them."""

from __future__ import annotations

import configparser
from typing import Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import files
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.messaging import MessagingLook
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.postgres import Postgres

from tests.unit.resources.cluster import resource


def database(**fields: Any) -> Postgres:
    """What a Secret says of a database."""
    usual = {"secret": "postgres", "host": "postgresql", "port": 5432, "name": "mboxdb", "user": "koji"}
    rest = {"password": "mbox", "sslmode": "", "ca": "", "checksum": ""}
    return Postgres(**{**usual, **rest, **fields})


def names(**spec: Any) -> Names:
    """Names of the KojiHub `hub`."""
    return Names(resource("KojiHub", "hub", **spec))


def made(
    spec: dict[str, Any] | None = None,
    site: dict[str, str] | None = None,
    postgres: Postgres | None = None,
    broker: MessagingLook | None = None,
    **sources: Any,
) -> files.FilesLook:
    """The files of a KojiHub with this spec."""
    spec = {**({"configmap": "koji-hub"} if site else {}), **(spec or {})}
    all_sources = files.Sources(postgres or database(), broker or MessagingLook(), site or {}, **sources)
    return files.look(spec, names(**spec), all_sources)


def read(text: str) -> dict[str, dict[str, str]]:
    """A file as the hub reads it: an option twice is an error, and names are in lower case."""
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def reasons(found: files.FilesLook) -> list[str]:
    """What is warned of."""
    return [warning["reason"] for warning in found.warnings]
