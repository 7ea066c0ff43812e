# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Where the database is: the Secret that the site provides."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 5432
MAX_PORT = 65535
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# libpq's variables and the keys that they come from; the last two need not be there.
VARIABLES = {
    "PGHOST": "POSTGRES_HOST",
    "PGDATABASE": "POSTGRES_DB",
    "PGUSER": "POSTGRES_USER",
    "PGPASSWORD": "POSTGRES_PASSWORD",
    "PGPORT": "POSTGRES_PORT",
    "PGSSLMODE": "POSTGRES_SSLMODE",
}
OPTIONAL = ("POSTGRES_PORT", "POSTGRES_SSLMODE")
CA = "ca.crt"
# Where pods have the CA.
CA_FOLDER = "/etc/koji-hub-postgres"


@dataclass(frozen=True)
class Postgres:
    """What the Secret says. `checksum` changes with each of these, and is no help for guessing the password."""

    secret: str
    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    sslmode: str
    ca: str
    checksum: str

    def environment(self) -> list[dict[str, Any]]:
        """libpq's variables for a container, so that no value is in a manifest that others may read."""
        variables: list[dict[str, Any]] = []
        for variable, key in VARIABLES.items():
            source: dict[str, Any] = {"name": self.secret, "key": key}
            if key in OPTIONAL:
                source["optional"] = True
            variables.append({"name": variable, "valueFrom": {"secretKeyRef": source}})
        if self.ca:
            # A CA that is given is there to be checked against.
            variables[-1] = {"name": "PGSSLMODE", "value": self.sslmode}
            variables.append({"name": "PGSSLROOTCERT", "value": f"{CA_FOLDER}/{CA}"})
        return variables

    def volumes(self) -> list[dict[str, Any]]:
        """The CA, for a pod; [] without one."""
        source = {"secretName": self.secret, "items": [{"key": CA, "path": CA}]}
        return [{"name": "postgres-ca", "secret": source}] if self.ca else []

    def mounts(self) -> list[dict[str, Any]]:
        """Where a container has the CA; [] without one."""
        return [{"name": "postgres-ca", "mountPath": CA_FOLDER, "readOnly": True}] if self.ca else []


def read(name: str, namespace: str, secret: Mapping[str, Any] | None) -> Postgres:
    """Read the Secret as the API server has it. Raises Problem, naming what is missing or wrong."""
    where = f"Secret '{name}' in namespace '{namespace}'"
    if secret is None:
        keys = ", ".join(key for key in VARIABLES.values() if key not in OPTIONAL)
        raise Problem(
            "MissingSecret", f"{where} does not exist: it says where the hub's database is; create it with {keys}"
        )
    data = _texts(where, secret.get("data") or {})
    for key in VARIABLES.values():
        if key not in OPTIONAL and not data.get(key):
            lack = "is empty" if key in data else "is missing"
            raise Problem(
                "MissingSecretKey", f"{where}: key {key} {lack}; the hub's database can't be reached without it"
            )
    port = data.get("POSTGRES_PORT") or str(DEFAULT_PORT)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= MAX_PORT:
        raise Problem("InvalidSecret", f"{where}: POSTGRES_PORT is '{port}', which is no port (1 to {MAX_PORT})")
    ca = data.get(CA, "")
    sslmode = data.get("POSTGRES_SSLMODE") or ("verify-full" if ca else "prefer")
    if sslmode not in SSL_MODES:
        raise Problem("InvalidSecret", f"{where}: POSTGRES_SSLMODE is '{sslmode}'; it can be {', '.join(SSL_MODES)}")
    if sslmode.startswith("verify") and not ca:
        raise Problem("MissingSecretKey", f"{where}: POSTGRES_SSLMODE {sslmode} needs the server's CA in the key {CA}")
    if ca and "-----BEGIN CERTIFICATE-----" not in ca:
        raise Problem("InvalidSecret", f"{where}: key {CA} is no certificate in PEM")
    host, database, user = (data[key] for key in ("POSTGRES_HOST", "POSTGRES_DB", "POSTGRES_USER"))
    for key in ("POSTGRES_HOST", "POSTGRES_DB", "POSTGRES_USER"):
        if not data[key].isprintable():
            raise Problem("InvalidSecret", f"{where}: {key} has a line break or the like in it")
    password = data["POSTGRES_PASSWORD"]
    checksum = _checksum([host, port, database, user, password, sslmode, ca])
    return Postgres(name, host, int(port), database, user, password, sslmode, ca, checksum)


def _texts(where: str, data: Mapping[str, str]) -> dict[str, str]:
    """The keys that we read, without blanks around them; of the password only line breaks go, as `echo` leaves one."""
    texts = {}
    for key in (*VARIABLES.values(), CA):
        if key not in data:
            continue
        try:
            text = base64.b64decode(data[key]).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Problem("InvalidSecret", f"{where}: key {key} is not text") from error
        if "\0" in text:
            raise Problem("InvalidSecret", f"{where}: key {key} is not text")
        texts[key] = text.strip("\r\n") if key == "POSTGRES_PASSWORD" else text.strip()
    return texts


def _checksum(values: list[str]) -> str:
    """Slow on purpose: it ends up in names and annotations, which more people can read than Secrets."""
    salt = b"fedoraproject.koji.postgres"
    digest = hashlib.scrypt("\0".join(values).encode(), salt=salt, n=2**13, r=8, p=1, dklen=8)
    return digest.hex()
