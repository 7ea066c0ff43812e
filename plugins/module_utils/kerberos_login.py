# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The program that kerberos.py runs: one login by Kerberos; what to do comes by standard input, as JSON."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import koji
import requests
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import (
    HUB_ERRORS,
    HubAddress,
    HubError,
    connect,
    explain,
    private_file,
    unnumbered,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASE = -1765328384  # ERROR_TABLE_BASE_krb5, of MIT's and Heimdal's krb5.h
_PROFILE = range(-1429577728, -1429577728 + 64)  # those about krb5.conf
_DISABLED = (
    "PrincipalDisabled",
    "the KDC does not let {principal} in: {said}; it is locked or has expired, so mend it there",
)
_REJECTED = (
    "KeytabRejected",
    "{keytab} has a key of {principal} that is not, or no longer, the one that the KDC has ({said}); export it anew",
)
_UNREACHABLE = (
    "KdcUnreachable",
    "no KDC of {realm} can be reached: {said}; check its kdc in krb5.conf (krb5_configmap) and network policies",
)
_CODES: Mapping[int, tuple[str, str]] = {
    1: _DISABLED,
    6: (
        "PrincipalUnknown",
        "the KDC of {realm} does not know {principal}; create it there, or mend authentication.krb.principal",
    ),
    7: (
        "ServiceUnknown",
        "the KDC does not know the hub's service HTTP/{host}: {said}; create it and export its key for the hub",
    ),
    18: _DISABLED,
    23: _DISABLED,
    24: _REJECTED,
    31: _REJECTED,
    37: ("ClockSkew", "the operator's clock and the KDC's differ too much: {said}; set them"),
    154: _UNREACHABLE,
    156: _UNREACHABLE,
    # What the library says when the keytab lacks the principal: nothing then fills the credentials.
    141: ("PrincipalNotInKeytab", "{keytab} has no key of {principal}; add it"),
    181: ("PrincipalNotInKeytab", "{keytab} has no key of {principal}; add it"),
}


def main() -> None:
    """Log in, and write the session, or what went wrong."""
    job = json.load(sys.stdin)
    try:
        answer = _log_in(job)
    except HubError as error:
        answer = {"reason": error.reason, "message": error.message}
    json.dump(answer, sys.stdout)


def _log_in(job: Mapping[str, Any]) -> dict[str, Any]:
    with contextlib.ExitStack() as files:
        keytab = files.enter_context(private_file(base64.b64decode(job["keytab"])))
        os.environ["KRB5_CLIENT_KTNAME"] = f"FILE:{keytab}"
        os.environ["KRB5CCNAME"] = "MEMORY:koji"
        if job["krb5_conf"]:
            os.environ["KRB5_CONFIG"] = files.enter_context(private_file(job["krb5_conf"]))
        address = HubAddress(job["url"], files.enter_context(private_file(job["ca"])), ca_name=job["ca_name"])
        return _send(address, job, _ticket(address, job))


def _ticket(address: HubAddress, job: Mapping[str, Any]) -> Any:
    """The principal's credentials, with a ticket for the hub."""
    try:
        import gssapi  # noqa: PLC0415 (the environment comes first)
    except (ImportError, OSError) as error:
        why = (
            f"Kerberos' library can't be loaded here: {error}; install gssapi and requests-gssapi, or use certificates"
        )
        raise HubError("KerberosMissing", why) from error
    host = urlsplit(address.url).hostname
    try:
        name = gssapi.Name(job["principal"], gssapi.NameType.kerberos_principal)
        credentials = gssapi.Credentials(name=name, usage="initiate")
        service = gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service)
        gssapi.SecurityContext(name=service, creds=credentials, usage="initiate").step()
    except gssapi.exceptions.GSSError as error:  # type: ignore[attr-defined]
        raise _explained(error, job, host or "") from error
    return credentials


def _explained(error: Any, job: Mapping[str, Any], host: str) -> HubError:
    """What Kerberos' library said, for people."""
    code = error.min_code - (1 << 32) if error.min_code >= 1 << 31 else error.min_code
    said = " ".join(error.get_all_statuses(error.min_code, False)) or str(error)
    reason, message = _CODES.get(code - _BASE, ("KerberosFailed", "{principal} can't log in with {keytab}: {said}"))
    if code in _PROFILE:
        reason, message = "InvalidKrb5Conf", "krb5.conf can't be used: {said}; mend it (krb5_configmap)"
    principal = job["principal"]
    realm = principal.rpartition("@")[2]
    return HubError(
        reason,
        message.format(principal=principal, realm=realm, keytab=job["keytab_name"], host=host, said=said.rstrip(".")),
    )


def _send(address: HubAddress, job: Mapping[str, Any], credentials: Any) -> dict[str, Any]:
    """Log in with the ticket, on the old session if there is one."""
    from requests_gssapi import REQUIRED, HTTPSPNEGOAuth  # type: ignore[import-untyped]  # noqa: PLC0415

    options, old, principal = job["options"], job["old"] or {}, job["principal"]
    if isinstance(options.get("timeout"), list):
        options["timeout"] = tuple(options["timeout"])
    session = connect(address, old.get("sinfo"), **options)
    session.logged_in = False
    session.opts["auth"] = HTTPSPNEGOAuth(mutual_authentication=REQUIRED, creds=credentials)
    again = {"renew": True, "exclusive": old["exclusive"]} if old else {}
    try:
        with unnumbered(session) if old else contextlib.nullcontext():  # an expired session does not tell its number
            answer: dict[str, Any] | None = session._callMethod(
                "sslLogin", [], {"proxyuser": None, **again}, retry=False
            )
    except (koji.AuthLockError, koji.AuthExpired, koji.SequenceError, koji.RetryError) as error:
        raise explain(error, address) from error
    except koji.AuthError as error:
        raise _denied(address, principal, str(error)) from error
    except HUB_ERRORS as error:
        raise _refused(error, address, principal) from error
    if not answer:
        raise _denied(address, principal, "the session it renews is gone")
    return answer


def _denied(address: HubAddress, principal: str, said: str) -> HubError:
    return HubError(
        "AccessDenied",
        f"{address.url} does not let {principal} in: {said.strip().rstrip('.')}; it must be a Kerberos principal of an "
        "enabled user of the hub, in a realm that the hub allows",
    )


def _refused(error: Exception, address: HubAddress, principal: str) -> HubError:
    """The web server in front of the hub did not take the ticket, or never asked for one."""
    if isinstance(error, requests.HTTPError) and error.response is not None and error.response.status_code == 401:
        if "negotiate" in error.response.headers.get("www-authenticate", "").lower():
            return HubError(
                "TicketRejected",
                f"{address.url} rejected the ticket of {principal}: its keytab must hold the key that the KDC has for "
                "the service HTTP/ of this host name; export it anew, and look at the web server's log on the hub",
            )
        return _not_offered(address)
    said = explain(error, address)
    return _not_offered(address) if said.reason == "CertificateRejected" else said


def _not_offered(address: HubAddress) -> HubError:
    return HubError(
        "KerberosNotOffered",
        f"{address.url} takes no logins by Kerberos; set authentication.krb of its KojiHub, or log in by certificate",
    )
