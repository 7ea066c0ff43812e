# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Connecting to PostgreSQL by libpq's own variables, and saying what is wrong where it doesn't work."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import psycopg2

from .outcome import Refused

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

# Seconds. A database that is started together with the hub may need a moment.
PATIENCE = 20
CONNECT_TIMEOUT = 5
# A server that vanishes in the middle is noticed after a minute, not after the kernel's two hours.
ALIVE = "keepalives_idle=30 keepalives_interval=10 keepalives_count=3 application_name=koji-operator"

# What libpq or the server say, and what that is. The first that fits counts.
CAUSES = (
    (
        r"password authentication failed|no password supplied|empty password",
        "WrongDatabasePassword",
        "{server} does not accept user '{user}' with this password: mend POSTGRES_USER or POSTGRES_PASSWORD",
    ),
    (
        r'role ".*" does not exist|is not permitted to log in',
        "DatabaseUserMissing",
        "{server} has no user '{user}' who may log in: create it, or mend POSTGRES_USER",
    ),
    (
        r'database ".*" does not exist',
        "DatabaseMissing",
        "{server} has no database '{database}': create it, owned by '{user}', or mend POSTGRES_DB",
    ),
    (
        r"no pg_hba.conf entry|pg_hba.conf rejects|permission denied for database",
        "DatabaseAccessDenied",
        "{server} does not let user '{user}' into database '{database}' from here ({said}): let it in",
    ),
    (
        r"certificate|SSL|TLS",
        "DatabaseTlsFailed",
        "no TLS with {server} ({said}): mend POSTGRES_SSLMODE or ca.crt",
    ),
    (
        r"starting up|shutting down|recovery mode|too many clients|remaining connection slots|too many connections",
        "DatabaseNotReady",
        "{server} takes no connection now ({said})",
    ),
    (
        r"",
        "DatabaseUnreachable",
        "{server} can't be reached ({said}): is it there, and are POSTGRES_HOST and POSTGRES_PORT right?",
    ),
)
# These may pass without anybody's doing.
PASSING = ("DatabaseNotReady", "DatabaseUnreachable")


def tidy_environment() -> None:
    """Take off the blanks and line breaks that a Secret made with `echo` has; a password's own blanks stay."""
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSSLMODE"):
        value = os.environ.get(name, "").strip()
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
    if "PGPASSWORD" in os.environ:
        os.environ["PGPASSWORD"] = os.environ["PGPASSWORD"].strip("\r\n")


def connect(patience: float) -> Connection:
    """Return a connection. Raises Refused."""
    end = time.monotonic() + patience
    while True:
        try:
            return psycopg2.connect(ALIVE, connect_timeout=CONNECT_TIMEOUT)
        except psycopg2.OperationalError as error:
            refused = explain(str(error))
        if refused.reason not in PASSING or time.monotonic() >= end:
            raise refused
        time.sleep(1)


def explain(text: str) -> Refused:
    """What an error of connecting means, in words of the Secret."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Without the address, which we name ourselves, and without what libpq guesses in further lines.
    said = re.sub(r"^connection to server (at|on socket) .*? failed: |^(FATAL|ERROR): +", "", lines[0] if lines else "")
    said = re.sub(r"^(FATAL|ERROR): +", "", said)
    host, port = os.environ.get("PGHOST", "localhost"), os.environ.get("PGPORT", "5432")
    known = {
        "server": f"PostgreSQL at {host}:{port}",
        "user": os.environ.get("PGUSER", ""),
        "database": os.environ.get("PGDATABASE", ""),
        "said": said,
    }
    # Of several addresses each has its line; the last is the one that decided.
    _, reason, message = next(cause for cause in CAUSES if re.search(cause[0], text))
    secret = os.environ.get("KOJI_POSTGRES_SECRET", "")
    return Refused(reason, message.format(**known) + (f" (Secret '{secret}')" if secret else ""))
