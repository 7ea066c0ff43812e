# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A module that runs in Ansible's own process behaves as it does in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.plugin_utils.in_process import Ended, InProcessModule

if TYPE_CHECKING:
    from pathlib import Path

SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "count": {"type": "int", "default": 1},
    "key": {"type": "str", "no_log": True},
    "path": {"type": "str"},
}
RULES: dict[str, Any] = {"argument_spec": SPEC, "required_one_of": [("key", "path")], "supports_check_mode": True}


def ended(*, check_mode: bool = False, **args: Any) -> dict[str, Any]:
    with pytest.raises(Ended) as end:
        InProcessModule(args, check_mode, False, **RULES).exit_json(changed=True, said=f"with {args.get('key')}")
    return end.value.result


def test_arguments_are_checked_and_completed() -> None:
    module = InProcessModule({"name": "x", "count": "3", "path": "/"}, True, True, **RULES)
    assert module.params == {"name": "x", "count": 3, "key": None, "path": "/"}
    assert module.check_mode


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"path": "/"}, "missing required arguments: name"),
        ({"name": "x"}, "one of the following is required: key, path"),
        ({"name": "x", "path": "/", "count": "many"}, "count"),
        ({"name": "x", "path": "/", "other": 1}, "other"),
    ],
)
def test_bad_arguments_fail_and_are_named(args: dict[str, Any], words: str) -> None:
    result = ended(**args)
    assert result["failed"]
    assert words in result["msg"]


def test_secret_arguments_never_come_back() -> None:
    result = ended(name="x", key="s3cr3t-key-text")
    assert result["changed"]
    assert "s3cr3t" not in json.dumps(result)


@pytest.mark.parametrize("become", ["false", "true"])
def test_ansible_runs_it_here_or_as_a_module(tmp_path: Path, become: str) -> None:
    """Both ways give the same answer to a hub that isn't there, with text that Ansible marks as unsafe."""
    task = {
        "name": "Ask a hub that isn't there",
        "fedoraproject.koji.koji_user": {
            "name": "{{ lookup('ansible.builtin.env', 'USER_NAME') }}",
            "hub_url": "https://127.0.0.1:1/kojihub",
            "ca_cert_content": "no certificate",
            "client_cert_content": "no certificate either",
            "report_errors": True,
        },
        "register": "answer",
        # Elsewhere: an environment of its own is one of the things that only a process of its own can have.
        "environment": {"ELSEWHERE": "1"} if become == "true" else {},
    }
    show = {"name": "Show it", "ansible.builtin.debug": {"msg": "REASON={{ answer.error.reason }}"}}
    play = [{"name": "P", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task, show]}]
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps(play))
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        [sys.executable, f"{scripts}/ansible-playbook", str(playbook)],
        env={"PATH": f"{scripts}:/usr/bin:/bin", "HOME": str(tmp_path), "USER_NAME": "someone", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "REASON=CaInvalid" in done.stdout
