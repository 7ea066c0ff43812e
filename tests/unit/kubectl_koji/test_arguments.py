# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What is koji's reaches koji as it was typed; what is ours, kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .world import hub_pod, kojihub, resource

if TYPE_CHECKING:
    from types import ModuleType

    from .world import World

AWKWARD = ["", " ", "a b", "a  b", "'", '"', "\\", "*", "?", "[a-z]*", "~", "$HOME", "$(id)", "`id`", ";", "&", "|",
           ">x", "-n", "--", "-", "--namespace=x", "--hub", "-it", "-h", "--help", "a=b", "=", "ü", "\u65e5\u672c",
           "\u202e", "\U0001f4a9", "line\nbreak", "\t", "\x1b[31m", "%s", "{}", "!1"]  # fmt: skip
# What an argument list can hold: no NUL, any other byte that Python can spell.
WORDS = st.one_of(
    st.sampled_from(AWKWARD), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
)


def test_a_command_runs_in_the_sidecar_of_the_namespace_s_hub(world: World) -> None:
    done = world.run("grant-permission", "repo", "kojira")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert world.arguments() == [["grant-permission", "repo", "kojira"]]
    assert world.called("kubectl")[-1][:5] == ["exec", "koji-hub-1", "-c", "admin", "-i"]


@given(arguments=st.lists(WORDS, max_size=50))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arguments_arrive_untouched(world: World, arguments: list[str]) -> None:
    assert world.run("list-hosts", *arguments).returncode == 0
    assert world.arguments()[-1] == ["list-hosts", *arguments]


def test_bytes_that_are_no_text_arrive_untouched(world: World) -> None:
    assert world.run("list-hosts", "\udcff\udcfe").returncode == 0
    assert world.arguments() == [["list-hosts", "\udcff\udcfe"]]


@given(words=st.lists(WORDS, min_size=1))
def test_the_first_word_that_is_no_option_of_ours_ends_ours(plugin: ModuleType, words: list[str]) -> None:
    found = plugin.parse(["-n", "here", "list-hosts", *words])
    assert (found.namespace, found.words, found.forced) == ("here", ("list-hosts", *words), False)
    assert plugin.parse(["--", *words]).words == tuple(words)


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["-n", "other"], ["-n", "other"]),
        (["-nother"], ["-n", "other"]),
        (["-n=other"], ["-n", "other"]),
        (["--namespace", "other"], ["-n", "other"]),
        (["--namespace=other"], ["-n", "other"]),
        (["--context=c d", "--kubeconfig", "/k f"], ["--kubeconfig", "/k f", "--context", "c d"]),
    ],
)
def test_our_options_reach_every_kubectl(world: World, words: list[str], flags: list[str]) -> None:
    there = [kojihub(metadata={"namespace": "other"}), hub_pod()]
    there[1]["metadata"]["namespace"] = "other"
    if "other" in flags:
        world.has(*there)
    assert world.run(*words, "list-hosts", "-n", "x").returncode == 0
    assert world.arguments() == [["list-hosts", "-n", "x"]]
    for command in world.called("kubectl"):
        assert command[: len(flags)] == flags


def test_koji_s_own_global_options_are_koji_s(world: World) -> None:
    assert world.run("-n", "koji", "--noauth", "-q", "call", "getTag", "-n").returncode == 0
    assert world.arguments() == [["--noauth", "-q", "call", "getTag", "-n"]]


@pytest.mark.parametrize("word", ["status", "logs", "wait", "completion", "--help", "-h", "-n", "--", "__complete"])
def test_two_dashes_make_anything_koji_s(world: World, word: str) -> None:
    assert world.run("--", word, "12").returncode == 0
    assert world.arguments() == [[word, "12"]]


def test_two_dashes_alone_are_koji_without_arguments(world: World) -> None:
    assert world.run("--").returncode == 0
    assert world.arguments() == [[]]


def test_hub_says_which_one(world: World) -> None:
    world.has(kojihub("a"), kojihub("b"), hub_pod("pod-a", "a"), hub_pod("pod-b", "b"))
    for words in (["--hub", "b"], ["--hub=b"]):
        assert world.run(*words, "list-hosts").returncode == 0
        assert world.called("kubectl")[-1][:2] == ["exec", "pod-b"]


def test_the_youngest_pod_that_is_ready_is_taken(world: World) -> None:
    job = hub_pod("koji-hub-db-9", metadata={"ownerReferences": [{"kind": "Job"}]})
    ending = hub_pod("pod-8", metadata={"deletionTimestamp": "2026-11-30T12:00:00Z"})
    world.has(kojihub(), hub_pod("pod-1"), hub_pod("pod-2"), hub_pod("pod-3", ready=False), job, ending)
    assert world.run("list-hosts").returncode == 0
    assert world.called("kubectl")[-1][:2] == ["exec", "pod-2"]


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["-n", "koji", "--help"]])
def test_help_is_ours_and_needs_no_cluster(world: World, words: list[str]) -> None:
    done = world.run(*words)
    assert done.returncode == 0
    assert b"kubectl koji [OPTIONS] status" in done.stdout
    assert world.called("kubectl") == []


@pytest.mark.parametrize(
    "line",
    [
        "-n",
        "--hub",
        "--context",
        "logs",
        "logs x",
        "logs 0",
        "wait",
        "wait 1 --timeout soon",
        "status x",
        "completion fish",
    ],
)
def test_wrong_usage_is_exit_code_2(world: World, line: str) -> None:
    done = world.run(*line.split())
    assert done.returncode == 2
    assert b"kubectl koji" in done.stderr
    assert world.called("kubectl") == []


@pytest.mark.parametrize("command", [["status"], ["logs", "12"], ["wait", "12"]])
def test_our_options_may_also_follow_a_command_of_ours(world: World, command: list[str]) -> None:
    world.has(resource("KojiUser"), namespace="koji")
    world.run(*command, "-n", "other", "--context=c")
    assert all(call[:4] == ["--context", "c", "-n", "other"] for call in world.called("kubectl"))
    assert world.called("kubectl")
