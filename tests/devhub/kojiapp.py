# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The WSGI entry: a hub configured by hub.conf, on PostgreSQL. Copied to /usr/share/koji-hub/kojiapp.py.

Where hub.conf is, the web server says: koji.hub.ConfigFile and koji.hub.ConfigDir, as for the real hub. What a real
hub has no option for comes from the environment: DEVHUB_CREATE_SCHEMA (any text), DEVHUB_ADMIN (the first admin's
name), DEVHUB_FAULTS (a file for the faults that tests ask for at /devhub/faults), DEVHUB_KOJI_VERSION."""

import logging
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# The package `tests` stands beside this file in an image, and two levels up in a checkout.
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE if (HERE / "tests").is_dir() else HERE.parents[1]))

from tests.devhub.core import config  # noqa: E402 - the path comes first
from tests.devhub.core.context import Context  # noqa: E402
from tests.devhub.core.hub import VERSION, Hub  # noqa: E402
from tests.devhub.core.seed import seed_user  # noqa: E402
from tests.devhub.injection import Injection  # noqa: E402
from tests.devhub.postgres import PostgresStorage, PostgresTransaction  # noqa: E402
from tests.devhub.wsgi import Application, StartResponse  # noqa: E402

_turn = threading.Lock()
_application: Application | None = None


def address_of(conf: config.Config) -> dict[str, Any]:
    """Return where the database is, as libpq's parameters, without those that hub.conf doesn't set."""
    if conf["DBConnectionString"]:
        return {"dsn": conf["DBConnectionString"]}
    names = {"dbname": "DBName", "user": "DBUser", "password": "DBPass", "host": "DBHost", "port": "DBPort"}
    return {key: conf[name] for key, name in names.items() if conf[name] is not None}


def build(conf: config.Config) -> Application:
    """Return the application of a hub with this configuration. Connects to nothing yet."""
    logging.basicConfig(stream=sys.stderr, level=conf["LogLevel"].split()[-1].rpartition(":")[2])
    admin = os.environ.get("DEVHUB_ADMIN")

    def prepare(tx: PostgresTransaction) -> None:
        if admin:
            seed_user(Context(tx, conf, hub.clock, hub.koji_dir, hub.version), admin, "admin")

    create = bool(os.environ.get("DEVHUB_CREATE_SCHEMA"))
    storage = PostgresStorage(create_schema=create, prepare=prepare, **address_of(conf))
    hub = Hub(conf, storage, version=os.environ.get("DEVHUB_KOJI_VERSION", VERSION))
    faults = os.environ.get("DEVHUB_FAULTS")
    return Application(hub, Injection(Path(faults)) if faults else None)


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request; the first one reads hub.conf, which is not read again."""
    global _application  # noqa: PLW0603 - one a process
    if _application is None:
        with _turn:
            if _application is None:
                conf = Path(environ.get("koji.hub.ConfigFile", "/etc/koji-hub/hub.conf"))
                conf_d = Path(environ.get("koji.hub.ConfigDir", "/etc/koji-hub/hub.conf.d"))
                _application = build(config.read(config.files_of(conf, conf_d)))
    return _application(environ, start_response)
