# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The worker's user namespace, entered for real; each process that enters one is a child of the test's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from runner import namespace

CHECKOUT = Path(__file__).resolve().parents[3]
TIMEOUT = 30  # seconds

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="a map of 65536 ids takes root")


def run(body: str, *wrapper: str) -> Any:
    """What a program printed as JSON that has `namespace` imported."""
    program = f"import json, os, time\nfrom pathlib import Path\nfrom runner import namespace\n{textwrap.dedent(body)}"
    command = [*wrapper, sys.executable, "-c", program]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def reachable(folder: Path) -> None:
    """Let everybody into a test's folder: those of pytest are their owner's alone."""
    for one in (folder, *folder.parents):
        if one.owner() == "root" and one != Path("/") and one.name != "tmp":
            one.chmod(one.stat().st_mode | 0o055)


def refusal(prepare: str, *wrapper: str) -> str:
    """What is said when the namespace can't be had after `prepare`."""
    enter = "try:\n    namespace.enter()\nexcept namespace.Forbidden as error:\n    print(json.dumps(str(error)))"
    return str(run(f"{prepare}\n{enter}", *wrapper))


@as_root
def test_root_inside_is_nobody_outside(tmp_path: Path) -> None:
    made = tmp_path / "file"
    reachable(tmp_path)
    tmp_path.chmod(0o777)
    found = run(
        f"""
        namespace.enter()
        Path({str(made)!r}).touch()
        os.chown({str(made)!r}, 1000, 65535)
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), open("/proc/self/uid_map").read().split(),
                          open("/proc/self/gid_map").read().split(), int(status["CapEff"], 16) & 1 << 21 != 0,
                          len(os.listdir("/proc/self/fd")) > 2]))
        """
    )
    assert found == [[0, 0, 0], [0, 0, 0], [], ["0", "100000", "65536"], ["0", "100000", "65536"], True, True]
    assert (made.stat().st_uid, made.stat().st_gid) == (101000, 165535)


@as_root
def test_what_mock_does_works_inside_and_does_not_show_outside(tmp_path: Path) -> None:
    reachable(tmp_path)
    (tmp_path / "root").mkdir()
    (tmp_path / "root").chmod(0o777)
    script = """
        set -e; cd $1; mkdir tmp usr; mount -t tmpfs tmpfs tmp; touch tmp/seen; mount --bind /usr usr; test -d usr/bin
        ls tmp; umount tmp; ls tmp
    """
    found = run(
        f"""
import subprocess
namespace.enter()
print(json.dumps(subprocess.check_output(["sh", "-c", {script!r}, "sh", {str(tmp_path / "root")!r}], text=True)))
"""
    )
    assert found == "seen\n"
    assert list((tmp_path / "root" / "usr").iterdir()) == []


@as_root
def test_in_a_pod_with_a_namespace_of_its_own_one_is_had_within_it() -> None:
    """hostUsers false: the node's ids don't exist there."""
    found = run(
        """
namespace.enter()
namespace.enter()
print(json.dumps([open("/proc/self/uid_map").read().split(), os.getuid()]))
"""
    )
    assert found == [["0", "1", "65535"], 0]


@pytest.mark.parametrize(
    ("outside", "chosen"),
    [
        (["         0          0 4294967295"], "0 100000 65536\n"),
        (["0 0 100000", "100000 900000 65536"], "0 100000 65536\n"),
        (["0 131072 65536"], "0 1 65535\n"),
        (["0 131072 165535"], "0 1 165534\n"),
    ],
)
def test_the_map_has_only_ids_that_there_are(outside: list[str], chosen: str) -> None:
    assert namespace.chosen_map(outside) == chosen


@as_root
def test_a_pod_that_is_not_root_is_told_to_be() -> None:
    said = refusal("os.setuid(4711)")
    assert said == (
        "security profile userns needs pods that start as uid 0, this one has uid 4711. "
        "Remove runAsUser from spec.security_context"
    )


@as_root
def test_without_the_two_capabilities_the_maps_can_t_be_written() -> None:
    said = refusal("", "setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
    assert "writing uid_map and gid_map: Operation not permitted" in said
    assert "spec.security_profile to sysadmin" in said


@as_root
def test_a_node_that_has_no_more_namespaces_is_named(tmp_path: Path) -> None:
    """The limit of the namespace that the process is in, so that the machine's own stays as it is."""
    prepare = 'namespace.enter()\nPath("/proc/sys/user/max_user_namespaces").write_text("0")'
    assert "unshare: No space left on device: the node's sysctl user.max_user_namespaces" in refusal(prepare)


@as_root
def test_a_profile_that_lets_it_unshare_and_then_not_mount_is_noticed() -> None:
    prepare = """
import ctypes
class Libc:
    def __init__(self, libc): self.libc = libc
    def __getattr__(self, name): return getattr(self.libc, name)
    def mount(self, *_): ctypes.set_errno(1); return -1
real = ctypes.CDLL
ctypes.CDLL = lambda *a, **k: Libc(real(*a, **k))
"""
    said = refusal(prepare)
    assert "mount: Operation not permitted: a seccomp profile" in said
    assert (
        "spec.seccomp_profile to a profile of the nodes that allows unshare, mount, umount2, clone and chroot" in said
    )


@as_root
def test_it_takes_less_than_20_ms() -> None:
    """Of CPU, the helper's included: wall time is the machine's, which may be busy."""
    body = """
        import koji, koji.daemon, koji.tasks  # what the runner has loaded by then, and forks with
        begin = os.times()
        namespace.enter()
        print(json.dumps(sum(os.times()[:4]) - sum(begin[:4])))
    """
    times = [run(body) for _ in range(3)]
    assert min(times) < 0.020, times
