# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One hub: takes calls, finds their session, runs them in a transaction, answers results or faults."""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

from . import misc  # noqa: F401 - brings all calls in
from .config import Config
from .context import Context, find_call, invoke
from .faults import AuthLockError, BadRequest, GenericError, ServerOffline, code_of, text_of
from .memory import MemoryStorage
from .sessions import load_session
from .storage import Storage, StorageDown
from .uploads import raw_upload
from .xmlrpc import dump_response, load_request

LOG = logging.getLogger("koji.devhub")
VERSION = "1.35.3"
# Calls that are answered although another session of the user is exclusive, or the hub is locked out.
PAST_A_LOCK = ("exclusiveSession", "login", "logout")
PAST_A_LOCKOUT = ("login", "sslLogin", "logout")


@dataclass
class Hub:
    """A hub. `clock` gives the time in seconds since the epoch. Without KojiDir files live as long as it."""

    config: Config = field(default_factory=Config)
    storage: Storage = field(default_factory=MemoryStorage)
    clock: Callable[[], float] = time.time
    version: str = VERSION
    temporary: "tempfile.TemporaryDirectory[str] | None" = None

    def answer(self, environ: Mapping[str, Any], body: bytes | None) -> str:
        """Return the XML of the answer to a request: a call in `body`, or an upload if that is None.

        Raises BadRequest for a body that isn't a call."""
        if self.config["ServerOffline"]:
            return dump_response(Fault(ServerOffline.code, self.config["OfflineMessage"] or "server is offline"))
        try:
            context = self.context(environ)
        except StorageDown as error:
            LOG.warning("%s", error)
            return dump_response(Fault(ServerOffline.code, "database outage"))
        try:
            return self._answer(context, body)
        finally:
            context.tx.close()

    def context(self, environ: Mapping[str, Any] | None = None) -> Context:
        """Start a transaction for one call. Raises StorageDown."""
        return Context(self.storage.begin(), self.config, self.clock, self.koji_dir, self.version, environ or {})

    def koji_dir(self) -> Path:
        """Return the folder with all files; made when it is first needed if hub.conf names none."""
        if self.config["KojiDir"]:
            return Path(self.config["KojiDir"])
        if self.temporary is None:
            self.temporary = tempfile.TemporaryDirectory(prefix="devhub-")
        return Path(self.temporary.name)

    def _answer(self, context: Context, body: bytes | None) -> str:
        try:
            if body is None:
                result = self._upload(context)
            else:
                params, method = load_request(body)
                result = self._call(context, method, params)
            text = dump_response(result)
        except BadRequest:
            raise
        except Fault as fault:
            context.tx.rollback()
            return dump_response(fault)
        except Exception as error:  # noqa: BLE001 - every error of a call is answered as a fault
            context.tx.rollback()
            LOG.log(logging.INFO if isinstance(error, GenericError) else logging.ERROR, "%s: %s", context.method, error)
            return dump_response(Fault(code_of(error), text_of(error)))
        if context.tx.dirty:
            context.tx.commit()
        return text

    def _upload(self, context: Context) -> dict[str, Any]:
        self._check(context)
        return raw_upload(context)

    def _check(self, context: Context) -> None:
        """Find the session, and refuse the call if it is locked out."""
        if context.session is None:
            context.session = load_session(context)
            if context.session.lock_error and context.method not in PAST_A_LOCK:
                raise AuthLockError("User locked by another session")
        locked_out = context.config["LockOut"] and context.method not in PAST_A_LOCKOUT
        if locked_out and not context.has_perm("admin"):
            raise ServerOffline("Server disabled for maintenance")

    def _call(self, context: Context, method: str, params: tuple[Any, ...]) -> Any:
        context.method = method
        if method in {"multiCall", "system.multicall"}:
            self._check(context)
            args, _ = decode_args(params)
            return self._multicall(context, *args)
        function = find_call(method)
        self._check(context)
        args, kwargs = decode_args(params)
        return invoke(context, function, args, kwargs)

    def _multicall(self, context: Context, calls: list[dict[str, Any]]) -> list[Any]:
        """Make several calls in one transaction: [result] or a fault as a map for each."""
        results: list[Any] = []
        for call in calls:
            try:
                with context.tx.savepoint():
                    results.append([self._call(context, call["methodName"], tuple(call["params"]))])
            except Fault as fault:
                results.append({"faultCode": fault.faultCode, "faultString": fault.faultString})
            except Exception as error:  # noqa: BLE001 - every error of a call is answered as a fault
                text = ", ".join(str(arg) for arg in error.args)
                results.append({"faultCode": code_of(error), "faultString": text, "traceback": []})
        return results


def decode_args(params: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Split named arguments, which Koji sends as a last map marked __starstar, from the others."""
    if params and isinstance(params[-1], dict) and params[-1].get("__starstar"):
        named = dict(params[-1])
        del named["__starstar"]
        return params[:-1], named
    return params, {}
