# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Runs a module of this collection inside Ansible's own process, when it would run on this machine anyway.

A module in a process of its own costs 0.3 s of CPU, here 0.03 s; a reconcile runs three and may cost 3 s in all.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase

if TYPE_CHECKING:
    from collections.abc import Callable


class Ended(Exception):
    """The module has ended; `result` is what it returned."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__()
        self.result = result


class InProcessModule:
    """The part of AnsibleModule that this collection's modules use. Takes the same rules for arguments."""

    def __init__(
        self, args: dict[str, Any], check_mode: bool, diff: bool, *, argument_spec: dict[str, Any], **rules: Any
    ) -> None:
        rules.pop("supports_check_mode", None)
        checked = ArgumentSpecValidator(argument_spec, **rules).validate(args)
        self.check_mode = check_mode
        self._diff = diff
        self._warnings: list[str] = []
        self._no_log_values = checked._no_log_values
        if checked.error_messages:
            self.fail_json(msg=", ".join(checked.error_messages))
        self.params = checked.validated_parameters

    def exit_json(self, **result: Any) -> NoReturn:
        """End well."""
        raise Ended(self._clean({"changed": False, **result}))

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        """End as failed."""
        raise Ended(self._clean({"changed": False, **result, "failed": True, "msg": msg}))

    def warn(self, warning: str) -> None:
        """Have Ansible show a warning."""
        self._warnings.append(warning)

    def _clean(self, result: dict[str, Any]) -> dict[str, Any]:
        if self._warnings:
            result = {**result, "warnings": [*result.get("warnings", []), *self._warnings]}
        cleaned: dict[str, Any] = remove_values(result, self._no_log_values)
        return cleaned


class InProcessAction(ActionBase):
    """Base of the action plugins that are called like a module; `module_main` is the module's main."""

    module_main: ClassVar[Callable[..., None]]
    module_elsewhere: ClassVar[str | None] = None  # the module for other places, if it is not of the same name
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module here, or as any other module where `here` is somewhere else."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task = self._task
        elsewhere = self._connection.transport != "local" or self._connection.become or task.async_val
        if elsewhere or any(task.environment or ()):
            found = self._execute_module(self.module_elsewhere, task_vars=task_vars, wrap_async=task.async_val)
            result.update(found)
            return result
        # Through JSON, as to any module: Ansible marks texts with classes of its own.
        args = json.loads(json.dumps(task.args))
        make = functools.partial(InProcessModule, args, bool(task.check_mode), bool(task.diff))
        try:
            type(self).module_main(make)
        except Ended as ended:
            result.update(ended.result)
        return result
