# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The seccomp profile that config/seccomp puts onto nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

SECCOMP = Path(__file__).resolve().parents[3] / "config" / "seccomp"
ADDED = {"chroot", "clone", "clone3", "mount", "umount2", "unshare"}
# For CAP_SYS_ADMIN and the like alone in RuntimeDefault; nothing of them is a builder's.
NEVER = {"bpf", "setns", "pivot_root", "move_mount", "fsopen", "open_by_handle_at", "init_module", "kexec_load",
         "reboot", "swapon", "perf_event_open", "io_uring_setup", "keyctl", "add_key", "userfaultfd", "setdomainname",
         "sethostname", "quotactl", "acct", "settimeofday"}  # fmt: skip


def profile() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SECCOMP / "koji-builder.json").read_text())
    return found


def test_the_file_is_what_a_container_runtime_reads() -> None:
    """OCI's LinuxSeccomp; `includes`, `excludes` and `archMap` are for Docker alone, and the kubelet's ignore them."""
    found = profile()
    assert set(found) == {"defaultAction", "architectures", "syscalls"}
    assert found["defaultAction"] == "SCMP_ACT_ERRNO"
    assert all(set(rule) <= {"names", "action", "args"} for rule in found["syscalls"])
    # libseccomp takes architectures of one byte order only.
    assert not {"SCMP_ARCH_S390X", "SCMP_ARCH_PPC64"} & set(found["architectures"])


def test_it_allows_what_the_namespace_needs_and_no_more_than_that() -> None:
    names = [name for rule in profile()["syscalls"] if not rule.get("args") for name in rule["names"]]
    assert set(names) >= ADDED
    assert not NEVER & set(names)
    assert len(names) == len(set(names))


def test_the_operator_s_object_is_the_same_profile() -> None:
    found = yaml.safe_load((SECCOMP / "security-profiles-operator" / "seccompprofile.yaml").read_text())
    assert found["spec"] == profile()
