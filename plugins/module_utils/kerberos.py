# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Logging in to a hub with a keytab.

A process of its own does it: Kerberos' library takes its settings from the environment, which all threads share, and
nothing else would end its wait for a KDC that does not answer. Keys go there through a pipe, the session comes back.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import kerberos_login
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubAddress, HubError, HubSession, connect
from ansible_collections.fedoraproject.koji.plugins.module_utils.krb5_conf import safe

if TYPE_CHECKING:
    import koji
    from ansible_collections.fedoraproject.koji.plugins.module_utils.keytab import Keytab

# Seconds for all of it: the library would ask each KDC several times, one after the other.
PATIENCE = 30.0


@dataclass(frozen=True)
class Principal:
    """Who logs in: a principal, the keytab with its key, krb5.conf ('' is the machine's own), and the keytab's name."""

    name: str
    keytab: bytes = field(repr=False)
    krb5_conf: str = ""
    keytab_name: str = "the keytab"

    @classmethod
    def of(cls, name: str, keytab: Keytab, krb5_conf: str) -> Principal:
        """Of what was read of a Secret and a ConfigMap."""
        return cls(name, keytab.content, krb5_conf, keytab.where)


def login(address: HubAddress, who: Principal, **options: Any) -> HubSession:
    """Return a session of the user whose principal it is; raise HubError. `options` are those of hub.connect."""
    return connect(address, _ask(address, who, options), **options)


def renew(address: HubAddress, who: Principal, session: koji.ClientSession, **options: Any) -> None:
    """Renew an expired session: the hub keeps its id and changes its key. Raise HubError."""
    old = {"sinfo": {**session.sinfo}, "exclusive": bool(session.exclusive)}
    session.setSession({**_ask(address, who, options, old), "header-auth": True})


def _ask(
    address: HubAddress, who: Principal, options: dict[str, Any], old: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Have the other process log in; what the hub answered."""
    # A CA that can't be read is told of there.
    connect(address)
    job = {
        "url": address.url,
        "ca": Path(address.ca_file).read_text("utf-8"),
        "ca_name": address.ca,
        "principal": who.name,
        "keytab": base64.b64encode(who.keytab).decode(),
        "keytab_name": who.keytab_name,
        "krb5_conf": safe(who.krb5_conf),
        "options": options,
        "old": old,
    }
    program = f"from {kerberos_login.__name__} import main; main()"
    # Modules run from a zip file that is on this process's path alone.
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            env=environ,
            timeout=PATIENCE,
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise HubError(
            "KdcUnreachable",
            f"{who.name} could not log in to {address.url} within {PATIENCE:.0f} s; check that the KDCs in krb5.conf "
            "answer, and network policies",
        ) from error
    except (OSError, ValueError) as error:
        raise HubError("KerberosFailed", f"the login of {who.name} at {address.url} broke off: {error}") from error
    if "reason" in answer:
        raise HubError(answer["reason"], answer["message"])
    return answer
