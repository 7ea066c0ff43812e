# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the modules that talk to a hub have in common: options, sessions, the way they end."""

from __future__ import annotations

import base64
import contextlib
import functools
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible_collections.fedoraproject.koji.plugins.module_utils import kerberos
    from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import (
        HubAddress,
        HubError,
        Sessions,
        private_file,
    )

    KOJI_MISSING = None
except ImportError:
    KOJI_MISSING = traceback.format_exc()

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.fedoraproject.koji.plugins.module_utils.result import Result

HUB_ARGUMENTS: dict[str, dict[str, Any]] = {
    "hub_url": {"type": "str", "required": True},
    "ca_cert_path": {"type": "path"},
    "ca_cert_content": {"type": "str"},
    "ca_cert_name": {"type": "str"},
    "report_errors": {"type": "bool", "default": False},
}

LOGIN_ARGUMENTS: dict[str, dict[str, Any]] = {
    "client_cert_path": {"type": "path"},
    "client_cert_content": {"type": "str", "no_log": True},
    "client_cert_name": {"type": "str"},
    "login_principal": {"type": "str"},
    "keytab_path": {"type": "path"},
    "keytab_content": {"type": "str", "no_log": True},
    "krb5_conf_content": {"type": "str"},
}

_CA = ("ca_cert_path", "ca_cert_content")
_CLIENT = ("client_cert_path", "client_cert_content", "keytab_path", "keytab_content")


def hub_module(
    arguments: dict[str, dict[str, Any]], *, login: bool, make: Callable[..., AnsibleModule] = AnsibleModule
) -> AnsibleModule:
    """Return the module with the hub's options added to its own; `login`: those for logging in, too.

    `make` is AnsibleModule, or what stands in for it where the module runs in Ansible's own process.
    """
    one_of = [_CA, _CLIENT] if login else [_CA]
    module = make(
        argument_spec={**HUB_ARGUMENTS, **(LOGIN_ARGUMENTS if login else {}), **arguments},
        mutually_exclusive=one_of,
        required_one_of=one_of,
        required_by={"keytab_path": ("login_principal",), "keytab_content": ("login_principal",)} if login else {},
        supports_check_mode=True,
    )
    if KOJI_MISSING:
        module.fail_json(msg=missing_required_lib("koji"), exception=KOJI_MISSING)
    return module


def run(module: AnsibleModule, work: Callable[[Sessions], dict[str, Any]], empty: dict[str, Any]) -> None:
    """Do the module's work and end it.

    `work` returns what the module returns, with the HubError, if there is one, as `error`.
    `empty` is returned when it raises.
    """
    try:
        with _sessions(module.params) as sessions:
            result = work(sessions)
    except HubError as failure:
        result = {"changed": False, "error": failure, **empty}
    error: HubError | None = result.pop("error", None)
    if error is None:
        module.exit_json(**result, error=None)
        return
    said = {"reason": error.reason, "message": error.message}
    if module.params["report_errors"]:
        module.exit_json(**result, error=said)
        return
    module.fail_json(msg=error.message, reason=error.reason, error=said, **result)


def as_module_result(module: AnsibleModule, result: Result[Any], what: str) -> dict[str, Any]:
    """Return a Result as the module gives it; `what` heads the diff, e.g. `user kojira`."""
    given: dict[str, Any] = {"changed": result.changed, "error": result.error}
    if module._diff:
        given["diff"] = {
            "before_header": what,
            "after_header": what,
            "before": result.before,
            "after": result.after,
        }
    return given


@contextlib.contextmanager
def _sessions(params: dict[str, Any]) -> Iterator[Sessions]:
    """Give the sessions that the options describe."""
    with _file(params, "ca_cert") as ca_file, _file(params, "client_cert") as pem_file:
        address = HubAddress(
            params["hub_url"],
            ca_file,
            ca_name=_name(params, "ca_cert", "the CA"),
            certificate_name=_name(params, "client_cert", "the client certificate"),
        )
        who = _principal(params)
        log_in = functools.partial(kerberos.login, address, who) if who else None
        with Sessions(address, pem_file, log_in) as sessions:
            yield sessions


def _principal(params: dict[str, Any]) -> kerberos.Principal | None:
    """Who logs in by Kerberos; None where a certificate does it."""
    path, content = params.get("keytab_path"), params.get("keytab_content")
    if not (path or content):
        return None
    name = params["client_cert_name"] or f"the keytab {path or 'in keytab_content'}"
    try:
        keytab = base64.b64decode(content, validate=True) if content else Path(path or "").read_bytes()
    except (OSError, ValueError) as error:
        raise HubError(
            "InvalidKeytab", f"{name} can't be read: {error}; give a keytab, keytab_content in base64"
        ) from error
    return kerberos.Principal(params["login_principal"], keytab, params["krb5_conf_content"] or "", name)


@contextlib.contextmanager
def _file(params: dict[str, Any], option: str) -> Iterator[str]:
    """Give a path to what `<option>_path` or `<option>_content` holds; "" when neither is an option of the module."""
    if (text := params.get(f"{option}_content")) is not None:
        with private_file(text) as path:
            yield path
    else:
        yield params.get(f"{option}_path") or ""


def _name(params: dict[str, Any], option: str, what: str) -> str:
    """What messages call the certificate of an option."""
    return params.get(f"{option}_name") or f"{what} {params.get(f'{option}_path') or f'in {option}_content'}"
