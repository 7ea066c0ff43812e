# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""kubectl koji against a real hub: its sidecar, koji in it, tasks' pods, and an API server that forbids."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.resources import READY, SOON, builder, resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .site import Site

ROLE = "config/rbac/kubectl_koji_role.yaml"
RBAC = "rbac.authorization.k8s.io"
AWKWARD = [
    "",
    " ",
    "a  b",
    "it's",
    'say "x"',
    "*",
    "$HOME",
    "`id`",
    "\\",
    "-n",
    "--",
    "--hub=x",
    ";",
    "\u65e5\u672c",
    "a\nb",
]

COPY = """
import sys
from koji.plugin import export_cli
@export_cli
def handle_copy(options, session, args):
    "Print what is read"
    sys.stdout.write(sys.stdin.read())
"""


@dataclass(frozen=True)
class Plugin:
    """`kubectl koji` in a namespace, as one of the cluster's users."""

    namespace: str
    path: str
    flags: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """With the plugin on the PATH."""
        return {**os.environ, "PATH": self.path}

    def line(self, *words: str) -> list[str]:
        """The command line that a person would type."""
        return ["kubectl", "koji", "-n", self.namespace, *self.flags, *words]

    def run(self, *words: str, code: int = 0, **options: Any) -> str:
        """Run it; what it prints. AssertionError if it ends with another code."""
        done = subprocess.run(
            self.line(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=READY,
            check=False,
            **options,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return str(done.stdout if code == 0 else done.stdout + done.stderr)

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start it with pipes."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        # What a shell runs in the background ignores SIGINT, and so do we then.
        line = ["env", "--default-signal", *self.line(*words)]
        return subprocess.Popen(line, env=self.environment, **{**pipes, **options})


@pytest.fixture(scope="module")
def plugin(module_namespace: str, checkout: Path) -> Plugin:
    """The plugin of the checkout, run by the cluster's admin."""
    return Plugin(module_namespace, f"{checkout}/bin:{os.environ['PATH']}")


@dataclass(frozen=True)
class Scene:
    """A hub that got its sidecar by what the plugin said, and a builder for tasks."""

    site: Site
    hub: Hub
    refused: str  # what was said while there was no hub
    without: str  # while there was no sidecar

    def task(self, plugin: Plugin, *words: str) -> str:
        """Make a task. -> its number"""
        found = re.search(r"\d+", plugin.run("make-task", *words))
        assert found is not None
        return found[0]


@pytest.fixture(scope="module")
def scene(site: Site, kube: Kube, plugin: Plugin) -> Scene:
    refused = plugin.run("hello", code=1)
    hub = site.ready()
    without = plugin.run("hello", code=1)
    for line in typed(without):
        subprocess.run(line, shell=True, env=plugin.environment, check=True, timeout=READY)  # noqa: S602 - as a person
    kube.wait_for(lambda: running(plugin), READY, "the pod with the sidecar is ready", site.pods)
    kube.apply(builder("pods", site.namespace))
    kube.wait_condition("KojiBuilder", "pods", site.namespace, READY)
    return Scene(site, hub, refused, without)


def running(plugin: Plugin) -> bool:
    """Whether koji runs in the sidecar."""
    return (
        subprocess.run(plugin.line("version"), env=plugin.environment, capture_output=True, check=False).returncode == 0
    )


def typed(said: str) -> list[str]:
    """The command lines in a message."""
    return re.findall(r"^  (kubectl .*)$", said, re.MULTILINE)


def test_without_a_hub_it_says_where_to_look(scene: Scene) -> None:
    assert f"there is no KojiHub in namespace '{scene.site.namespace}'" in scene.refused
    assert typed(scene.refused) == ["kubectl get kojihubs --all-namespaces"]


def test_what_it_says_to_type_makes_a_sidecar(scene: Scene) -> None:
    assert "has no admin sidecar" in scene.without
    assert len(typed(scene.without)) == 2
    assert scene.site.get()["spec"]["sidecar"] is True


def test_koji_is_logged_in_as_the_admin(scene: Scene, plugin: Plugin) -> None:
    user = json.loads(plugin.run("call", "--json-output", "getLoggedInUser"))
    assert user["name"] == "koji-admin"
    assert "default" in plugin.run("--noauth", "list-channels"), "koji's own global option"


def test_arguments_arrive_at_the_hub_as_they_were_typed(scene: Scene, plugin: Plugin) -> None:
    said = plugin.run("--", "call", "--json", "--bare-strings", "echo", "--", *AWKWARD)
    assert json.loads(said) == AWKWARD


@pytest.mark.parametrize(
    ("words", "code"), [(["call", "error"], 1), (["no-such-command"], 1), (["call", "--nonsense"], 2)]
)
def test_the_exit_code_is_koji_s(scene: Scene, plugin: Plugin, words: list[str], code: int) -> None:
    said = plugin.run(*words, code=code)
    assert "command terminated" not in said


def test_standard_input_arrives(scene: Scene, plugin: Plugin, kube: Kube) -> None:
    """None of koji's own commands reads it, but a plugin of koji's may."""
    script = "mkdir -p /tmp/plugins && cat >/tmp/plugins/copy.py"
    place = ["-n", plugin.namespace, "deploy/koji-hub", "-c", "admin"]
    kube.kubectl("exec", "-i", *place, "--", "sh", "-c", script, stdin=COPY)
    text = "line\n" * 20000 + "no end"
    assert plugin.run("--plugin-paths=/tmp/plugins", "copy", input=text) == text


def watching(site: Site, task: str) -> list[str]:
    """Command lines in the sidecar that watch a task."""
    script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null"
    lines = site.in_pod("sh", "-c", script, container="admin").splitlines()
    return [line for line in lines if "watch-task" in line and line.split()[-1] == task]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_running_in_the_pod(
    scene: Scene, plugin: Plugin, kube: Kube, number: signal.Signals
) -> None:
    task = scene.task(plugin, "--channel=maven", "sleep", "600")
    process = plugin.start("watch-task", task)
    assert process.stdout is not None
    assert any(b": free" in line for line in iter(process.stdout.readline, b"")), "koji watches"
    process.send_signal(number)
    out, _ = process.communicate(timeout=SOON)
    assert process.returncode == {signal.SIGINT: 1, signal.SIGTERM: 128 + number}[number]
    if number == signal.SIGINT:
        assert b"still running" in out, "koji's last words"
    kube.wait_for(lambda: not watching(scene.site, task), SOON, "koji has ended in the pod")
    plugin.run("cancel", task)


def test_koji_has_a_terminal_when_there_is_one(scene: Scene, plugin: Plugin, kube: Kube) -> None:
    task = scene.task(plugin, "--channel=maven", "sleep", "600")
    ours, theirs = pty.openpty()

    def settle() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = plugin.start("watch-task", task, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=settle)
    os.close(theirs)
    kube.wait_for(lambda: watching(scene.site, task), SOON, "koji runs in the pod")
    shown, deadline, pressed = b"", time.monotonic() + SOON, False
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if select.select([ours], [], [], 0.2)[0]:
                shown += os.read(ours, 65536)
        if b": free" in shown and not pressed:
            pressed = bool(os.write(ours, b"\x03"))
    assert process.wait(1) == 1, shown
    os.close(ours)
    assert b"safely interrupted)...\r\n" in shown
    kube.wait_for(lambda: not watching(scene.site, task), SOON, "koji has ended in the pod")
    plugin.run("cancel", task)


def test_status_shows_all_five_kinds(scene: Scene, plugin: Plugin, kube: Kube) -> None:
    """Ready or not: what the conditions say."""
    lines = [" ".join(line.split()) for line in plugin.run("status").splitlines() if line.startswith("Koji")]
    assert lines[0].startswith("KojiHub hub Ready ")
    assert lines[0].endswith(scene.site.get()["status"]["url"])
    assert lines[1:3] == ["KojiWeb none", "Kojira none"]
    assert lines[3].startswith("KojiBuilder pods Ready ")
    assert lines[3].endswith("0 running, 0 waiting, 1 slots")
    assert lines[4] == "KojiUser none"
    kube.apply(resource("KojiUser", "someone", scene.site.namespace, permissions=["no-such-permission"]))
    kube.wait_condition("KojiUser", "someone", scene.site.namespace, SOON, "Ready", "False")
    said = plugin.run("status", code=1)
    assert re.search(r"^KojiUser +someone +Not ready", said, re.MULTILINE)
    assert "no-such-permission" in said
    kube.delete("KojiUser", "someone", scene.site.namespace, timeout=SOON)


def test_the_log_of_a_task_is_followed_to_its_end(scene: Scene, plugin: Plugin, kube: Kube) -> None:
    task = scene.task(plugin, "sleep", "5")
    kube.wait_for(lambda: kube.find("Pod", scene.site.namespace, f"koji-task={task}"), SOON, "the task has a pod")
    assert plugin.run("logs", "-f", task)
    assert plugin.run("wait", task) == f"task {task} (sleep): closed\n"


def test_waiting_lasts_until_a_task_is_done_or_time_is_out(scene: Scene, plugin: Plugin, kube: Kube) -> None:
    task = scene.task(plugin, "--channel=maven", "sleep", "600")
    began = time.monotonic()
    assert "not done in time" in plugin.run("wait", task, "--timeout=6s", code=124)
    assert 6 <= time.monotonic() - began < 60
    kube.wait_for(lambda: not watching(scene.site, task), SOON, "nothing waits in the pod")
    plugin.run("cancel", task)
    assert plugin.run("wait", task, code=1) == f"task {task} (sleep): canceled\n"
    assert "knows no task 999999" in plugin.run("wait", "999999", code=1)


def test_the_log_of_a_task_that_failed_is_kept(scene: Scene, plugin: Plugin) -> None:
    task = scene.task(plugin, "sleep", "not-a-number")
    assert plugin.run("wait", task, code=1) == f"task {task} (sleep): failed\n"
    assert "not-a-number" in plugin.run("logs", task)
    assert "has no pod" in plugin.run("logs", "999999", code=1)


def test_kubectl_completes_it(scene: Scene, plugin: Plugin, tmp_path: Path, checkout: Path) -> None:
    """kubectl's own completion looks for a program kubectl_complete-koji."""
    (tmp_path / "kubectl_complete-koji").symlink_to(checkout / "bin" / "kubectl-koji")
    environment = {**plugin.environment, "PATH": f"{tmp_path}:{plugin.path}", "XDG_CACHE_HOME": str(tmp_path)}
    line = ["kubectl", "__complete", "koji", "-n", scene.site.namespace, "list-h"]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    assert [text.partition("\t")[0] for text in done.stdout.splitlines()[:-1]] == ["list-history", "list-hosts"]


def rules(checkout: Path) -> list[Json]:
    """The ClusterRole's rules, one resource each."""
    role = yaml.safe_load((checkout / ROLE).read_text("utf-8"))
    return [{**rule, "resources": [one]} for rule in role["rules"] for one in rule["resources"]]


@pytest.fixture(scope="module")
def cluster_role(kube: Kube, checkout: Path) -> Iterator[Json]:
    [role] = kube.apply((checkout / ROLE).read_text("utf-8"))
    yield role
    kube.delete("ClusterRole", role["metadata"]["name"])


def account(kube: Kube, plugin: Plugin, name: str, folder: Path, role: Json | None) -> Plugin:
    """The plugin as a ServiceAccount with a role in the namespace, or none."""
    kube.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": plugin.namespace}}
    )
    if role is not None:
        kube.apply(
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": name, "namespace": plugin.namespace},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": plugin.namespace}],
                "roleRef": {"apiGroup": RBAC, "kind": role["kind"], "name": role["metadata"]["name"]},
            }
        )
    config = yaml.safe_load(kube.kubectl("config", "view", "--raw", "--flatten", "--minify"))
    token = kube.kubectl("create", "token", name, "-n", plugin.namespace).strip()
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    file = folder / f"{name}.kubeconfig"
    file.touch(0o600)
    file.write_text(json.dumps(config), "utf-8")
    return Plugin(plugin.namespace, plugin.path, ("--kubeconfig", str(file)))


def test_the_cluster_role_is_enough_for_everything(
    scene: Scene, plugin: Plugin, kube: Kube, cluster_role: Json, tmp_path: Path
) -> None:
    bound = account(kube, plugin, "bound", tmp_path, cluster_role)
    kube.wait_for(lambda: running(bound), SOON, "the binding has reached the API server")
    assert "koji-admin" in bound.run("hello")
    assert "KojiHub" in bound.run("status")
    task = scene.task(bound, "sleep", "not-a-number")
    assert "failed" in bound.run("wait", task, code=1)
    assert "not-a-number" in bound.run("logs", task)
    others = [("get", "secrets"), ("get", "configmaps"), ("create", "pods"), ("delete", "pods"), ("patch", "kojihubs")]
    for verb, what in others:
        line = ["kubectl", *bound.flags, "auth", "can-i", verb, what, "-n", plugin.namespace]
        asked = subprocess.run(line, capture_output=True, text=True, check=False)
        assert asked.stdout.strip() == "no", f"{verb} {what}"


def test_without_any_role_the_first_rule_that_is_missing_is_named(
    scene: Scene, plugin: Plugin, kube: Kube, tmp_path: Path
) -> None:
    nobody = account(kube, plugin, "nobody", tmp_path, None)
    said = nobody.run("hello", code=1)
    assert f"system:serviceaccount:{plugin.namespace}:nobody is not allowed to list kojihubs" in said
    assert "- {apiGroups: [apps.fedoraproject.org], resources: [kojihubs], verbs: [list]}" in said
    said = nobody.run("status", code=1)
    assert "resources: [kojihubs, kojiwebs, kojiras, kojibuilders, kojiusers], verbs: [list]" in said
    [_, bind] = typed(said)
    assert f"--serviceaccount={plugin.namespace}:nobody" in bind


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("kojihubs", ["hello"]),
        ("kojiwebs", ["status"]),
        ("kojiras", ["status"]),
        ("kojibuilders", ["status"]),
        ("kojiusers", ["status"]),
        ("pods", ["hello"]),
        ("pods/exec", ["hello"]),
        ("pods/log", ["logs"]),
    ],
)
def test_every_rule_is_needed_and_is_named_when_it_is_missing(
    scene: Scene, plugin: Plugin, kube: Kube, tmp_path: Path, checkout: Path, missing: str, words: list[str]
) -> None:
    name = f"without-{missing.replace('/', '-')}"
    [left_out] = [rule for rule in rules(checkout) if rule["resources"] == [missing]]
    role = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": plugin.namespace},
        "rules": [rule for rule in rules(checkout) if rule["resources"] != [missing]],
    }
    kube.apply(role)
    bound = account(kube, plugin, name, tmp_path, role)
    if words == ["logs"]:
        task = scene.task(plugin, "sleep", "not-a-number")
        plugin.run("wait", task, code=1)
        words = ["logs", task]
    group = left_out["apiGroups"][0] or '""'
    named = f"- {{apiGroups: [{group}], resources: [{missing}], verbs: [{', '.join(left_out['verbs'])}]}}"

    def said() -> str:
        """What a binding that is new to the API server changes."""
        done = subprocess.run(bound.line(*words), env=bound.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done
        return done.stderr

    kube.wait_for(lambda: named in said(), SOON, f"{named} is named", said)
    assert said().count("- {apiGroups") == 1
    # What it says to do is enough.
    if missing == "pods/exec":
        kube.apply((checkout / ROLE).read_text("utf-8"))
        subprocess.run(typed(said())[1], shell=True, check=True)  # noqa: S602 - as a person
        kube.wait_for(lambda: running(bound), SOON, "koji runs")


def test_a_hub_without_pods_is_told_in_the_hub_s_words(scene: Scene, plugin: Plugin, kube: Kube) -> None:
    """Last: the hub is stopped."""
    kube.patch("KojiHub", "hub", scene.site.namespace, {"spec": {"replicas": 0}})
    scene.site.message("ScaledToZero")
    kube.wait_for(lambda: "ScaledToZero" in plugin.run("hello", code=1), SOON, "the plugin says so")
