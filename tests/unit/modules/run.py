# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Runs a module as Ansible does, but in this process: arguments on one side, JSON on the other."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

from ansible.module_utils import basic

if TYPE_CHECKING:
    from types import ModuleType


def run_module(module: ModuleType, args: dict[str, Any], *, check: bool = False, diff: bool = True) -> dict[str, Any]:
    """Return what the module says; `failed` is always there."""
    given = {**args, "_ansible_check_mode": check, "_ansible_diff": diff}
    out = io.StringIO()
    with (
        mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode()),
        contextlib.redirect_stdout(out),
        contextlib.suppress(SystemExit),
    ):
        module.main()
    return {"failed": False, **cast("dict[str, Any]", json.loads(out.getvalue()))}
