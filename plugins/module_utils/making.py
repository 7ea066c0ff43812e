# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Makes keys and certificates with community.crypto's own code, in this process: nothing touches the disk.

Its modules openssl_privatekey_pipe, openssl_csr_pipe and x509_certificate_pipe are shells around the same code. A task
of theirs takes half a second to start, the code itself milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.community.crypto.plugins.module_utils.crypto.basic import OpenSSLObjectError
from ansible_collections.community.crypto.plugins.module_utils.crypto.module_backends import (
    certificate as certificate_backend,
)
from ansible_collections.community.crypto.plugins.module_utils.crypto.module_backends import (
    certificate_ownca,
    certificate_selfsigned,
)
from ansible_collections.community.crypto.plugins.module_utils.crypto.module_backends import csr as csr_backend
from ansible_collections.community.crypto.plugins.module_utils.crypto.module_backends import (
    privatekey as privatekey_backend,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIBRARY = "cryptography"
# An hour back: somebody's clock may be behind.
_NOT_BEFORE = "-1h"


class MakingError(Exception):
    """What was wanted can't be made; the message says why, and shows no key."""


@dataclass(frozen=True)
class Made:
    """A certificate and its key, as PEM that ends with a newline."""

    certificate: str
    key: str = field(repr=False)


class _Arguments:
    """What community.crypto's code wants of an AnsibleModule: checked arguments, and a way to refuse them."""

    check_mode = False

    def __init__(self, args: Mapping[str, Any], *, argument_spec: dict[str, Any], **rules: Any) -> None:
        checked = ArgumentSpecValidator(argument_spec, **rules).validate(args)
        if checked.error_messages:
            self.fail_json(", ".join(checked.error_messages))
        self.params = checked.validated_parameters

    def fail_json(self, msg: str, **_: Any) -> NoReturn:
        """Refuse."""
        raise MakingError(msg)

    def warn(self, warning: str) -> None:
        """Say what is no error; nothing that is asked for here has any."""


def make(wanted: Mapping[str, Any]) -> Made:
    """Make what `issue` in issuing.py describes; an existing key is kept, a certificate is always made anew."""
    try:
        key = wanted["key"] or _key(wanted["key_type"])
        return Made(_sign(wanted, key, _request(wanted, key)).strip() + "\n", key.strip() + "\n")
    except OpenSSLObjectError as error:
        raise MakingError(str(error)) from error


def _checked(spec: Any, **args: Any) -> _Arguments:
    given = {name: value for name, value in args.items() if value not in ("", [], None)}
    arguments: _Arguments = spec.create_ansible_module_helper(_Arguments, (given,))
    return arguments


def _key(kind: str) -> str:
    arguments = _checked(
        privatekey_backend.get_privatekey_argument_spec(),
        type="RSA" if kind == "RSA" else "ECC",
        curve="secp256r1",
        size=3072,
    )
    _, backend = privatekey_backend.select_backend(arguments, _LIBRARY)
    backend.generate_private_key()
    return str(backend.get_private_key_data().decode())


def _request(wanted: Mapping[str, Any], key: str) -> str:
    usage = wanted["usage"]
    arguments = _checked(
        csr_backend.get_csr_argument_spec(),
        privatekey_content=key,
        common_name=wanted["common_name"],
        subject_alt_name=wanted["names"],
        use_common_name_for_san=False,
        basic_constraints=["CA:FALSE"] if usage else ["CA:TRUE", "pathlen:0"],
        basic_constraints_critical=True,
        key_usage=["digitalSignature"] if usage else ["keyCertSign", "cRLSign"],
        key_usage_critical=True,
        extended_key_usage=[usage] if usage else [],
    )
    _, backend = csr_backend.select_backend(arguments, _LIBRARY)
    backend.generate_csr()
    return str(backend.get_csr_data().decode())


def _sign(wanted: Mapping[str, Any], key: str, request: str) -> str:
    spec = certificate_backend.get_certificate_argument_spec()
    if wanted["usage"]:
        provider = certificate_ownca.OwnCACertificateProvider()
        certificate_ownca.add_ownca_provider_to_argument_spec(spec)
        arguments = _checked(
            spec,
            provider="ownca",
            csr_content=request,
            ownca_content=wanted["signer_certificate"],
            ownca_privatekey_content=wanted["signer_key"],
            ownca_not_before=_NOT_BEFORE,
            ownca_not_after=wanted["not_after"],
        )
    else:
        provider = certificate_selfsigned.SelfSignedCertificateProvider()
        certificate_selfsigned.add_selfsigned_provider_to_argument_spec(spec)
        arguments = _checked(
            spec,
            provider="selfsigned",
            csr_content=request,
            privatekey_content=key,
            selfsigned_not_before=_NOT_BEFORE,
            selfsigned_not_after=wanted["not_after"],
        )
    backend = certificate_backend.select_backend(arguments, _LIBRARY, provider)
    backend.generate_certificate()
    return str(backend.get_certificate_data().decode())
