# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A kubectl whose cluster is a file of objects. `exec` runs the command here, where it outlives kubectl as in a pod."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["FAKE_FOLDER"])
CLUSTER: dict[str, Any] = json.loads((FOLDER / "cluster.json").read_text("utf-8"))
USER = CLUSTER.get("user", "system:serviceaccount:koji:someone")
WITH_VALUE = {"-n": "namespace", "--context": "context", "--kubeconfig": "kubeconfig", "-l": "labels", "-o": "output",
              "-c": "container"}  # fmt: skip


def fail(text: str, code: int = 1) -> None:
    """End as kubectl does."""
    print(text, file=sys.stderr)
    sys.exit(code)


def parse(words: list[str]) -> tuple[dict[str, str], list[str], list[str]]:
    """Options, other words, and what comes after --."""
    command = words[words.index("--") + 1 :] if "--" in words else []
    left = words[: words.index("--")] if "--" in words else words
    options: dict[str, str] = {}
    others = []
    while left:
        word = left.pop(0)
        if word in WITH_VALUE:
            options[WITH_VALUE[word]] = left.pop(0)
        elif word.startswith("-"):
            name, _, value = word.partition("=")
            options[name] = value
        else:
            others.append(word)
    return options, others, command


def refuse(verb: str, resource: str, namespace: str) -> None:
    """Say what RBAC does not allow, as an API server."""
    plural, _, group = resource.partition(".")
    fail(
        f'Error from server (Forbidden): {plural.partition("/")[0]}.{group} is forbidden: User "{USER}" cannot {verb} '
        f'resource "{plural}" in API group "{group}" in the namespace "{namespace}"'
    )


def fits(item: dict[str, Any], labels: str) -> bool:
    """Whether an object has labels as -l names them."""
    there = item["metadata"].get("labels") or {}
    wanted = [one.partition("=") for one in labels.split(",") if one]
    return all(key in there and (not equals or there[key] == value) for key, equals, value in wanted)


def get(options: dict[str, str], kinds: str) -> None:
    """Objects of kinds, as JSON or by name."""
    namespace = options.get("namespace", CLUSTER["namespace"])
    if kinds == "namespaces":
        print("namespace/koji\nnamespace/other")
        return
    for kind in kinds.split(","):
        if kind.partition(".")[0] in CLUSTER.get("unknown", []):
            fail(f'error: the server doesn\'t have a resource type "{kind.partition(".")[0]}"')
        if kind.partition(".")[0] in CLUSTER.get("forbidden", []):
            refuse("list", kind, namespace)
    plurals = [kind.partition(".")[0] for kind in kinds.split(",")]
    found = [
        item
        for item in CLUSTER["objects"]
        if item["kind"].lower() + "s" in plurals
        and item["metadata"]["namespace"] == namespace
        and fits(item, options.get("labels", ""))
    ]
    print(json.dumps({"kind": "List", "items": found}))


def feed(running: subprocess.Popen[bytes]) -> None:
    """Carry standard input over."""
    with contextlib.suppress(BrokenPipeError):
        while running.stdin is not None and (chunk := os.read(0, 65536)):
            running.stdin.write(chunk)
            running.stdin.flush()
    if running.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            running.stdin.close()


def execute(options: dict[str, str], pod: str, command: list[str]) -> int:
    """Run a command in what stands for a pod."""
    namespace = options.get("namespace", CLUSTER["namespace"])
    if "pods/exec" in CLUSTER.get("forbidden", []):
        refuse("create", "pods/exec", namespace)
    if not any(item["metadata"]["name"] == pod for item in CLUSTER["objects"]):
        fail(f'Error from server (NotFound): pods "{pod}" not found')
    if options.get("container") != "admin":
        fail("error: this is not the sidecar")
    if "-t" in options:
        code = os.waitstatus_to_exitcode(pty.spawn(command))
    else:
        stdin = subprocess.PIPE if "-i" in options else subprocess.DEVNULL
        running = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, start_new_session=True)
        threading.Thread(target=feed, args=[running], daemon=True).start()
        while running.stdout is not None and (chunk := os.read(running.stdout.fileno(), 65536)):
            try:
                os.write(1, chunk)
            except BrokenPipeError:  # as Go has it
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGPIPE)
        code = running.wait()
    if code < 0:
        code = 128 - code
    if code:
        fail(f"command terminated with exit code {code}", code)
    return 0


def logs(options: dict[str, str], pod: str) -> None:
    """A log that says how it was asked for."""
    if "pods/log" in CLUSTER.get("forbidden", []):
        refuse("get", "pods/log", options.get("namespace", CLUSTER["namespace"]))
    print(f"log of {pod} {options['container']} {sorted(name for name in options if name.startswith('--'))}")


def main(words: list[str]) -> int:
    """Do one command. -> exit code"""
    with (FOLDER / "kubectl.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")
    options, others, command = parse(words)
    match others:
        case ["get", kinds]:
            get(options, kinds)
        case ["exec", pod]:
            return execute(options, pod, command)
        case ["logs", pod]:
            logs(options, pod)
        case ["config", "view"]:
            print(CLUSTER["namespace"], end="")
        case ["config", "get-contexts"]:
            print("here\nthere")
        case _:
            fail(f"error: unknown command {words}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
