# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Runs the image's kojira in its pod, and notes each time that the hub has answered it: see probe.py."""

from __future__ import annotations

import contextlib
import os
import runpy
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn
from xmlrpc.client import Fault

import koji

CONTACT = Path("/run/kojira/contact")
CLIENT = Path("/etc/kojira-client")
CLIENT_PEM = Path("/run/kojira/client.pem")
# Fedora has it among the programs of the administrator.
PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
SERVER_OFFLINE = 1014


class NotedSession(koji.ClientSession):
    """kojira's session; any answer of the hub is a contact, but for its saying that it is out of order."""

    own: NotedSession | None = None  # kojira's; the others are its threads' subsessions

    def __init__(self, baseurl: str, opts: dict[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        # The login, too, waits for a hub that is away.
        super().__init__(baseurl, {**(opts or {}), "anon_retry": True}, *args, **kwargs)
        NotedSession.own = NotedSession.own or self

    def _sendCall(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  (the library's name)
        try:
            result = super()._sendCall(*args, **kwargs)
        except Fault as fault:
            if fault.faultCode != SERVER_OFFLINE:
                CONTACT.touch()
            raise
        except Exception as error:
            # The login says nothing itself.
            if not CONTACT.exists():
                print(f"kojira waits for {self.baseurl}: {error}", file=sys.stderr, flush=True)
            raise
        CONTACT.touch()
        return result


def client_pem(folder: Path) -> str:
    """Certificate and key in one text: a site's Secret may have them in one file or in two."""
    both = folder / "client.pem"
    if both.exists():
        return both.read_text(encoding="utf-8")
    return "\n".join((folder / name).read_text(encoding="utf-8").strip() for name in ("tls.crt", "tls.key")) + "\n"


def stop(*_: object) -> NoReturn:
    """As kojira does it once it works; before, process 1 would not hear the signal."""
    raise SystemExit(0)


def main() -> None:
    """Run it until it ends. Between two rounds it would end without giving its lock back."""
    signal.signal(signal.SIGTERM, stop)
    program = shutil.which("kojira", path=f"{os.environ.get('PATH', '')}:{PLACES}")
    if program is None:
        sys.exit(f"the image has no program kojira in {PLACES}; check image")
    CONTACT.unlink(missing_ok=True)
    if CLIENT.exists():  # it may log in by Kerberos instead
        CLIENT_PEM.touch(mode=0o600)
        CLIENT_PEM.write_text(client_pem(CLIENT), encoding="utf-8")
    koji.ClientSession = NotedSession
    sys.argv[0] = program
    try:
        runpy.run_path(program, run_name="__main__")
    finally:
        if NotedSession.own is not None:
            with contextlib.suppress(Exception):
                NotedSession.own.logout()


if __name__ == "__main__":
    main()
