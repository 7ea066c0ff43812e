# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Repos, what asks for them, and what kojira says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import koji
import pytest

from .callers import Caller, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .scene import Builder

INIT, READY, EXPIRED, DELETED, PROBLEM = (
    koji.REPO_STATES[n] for n in ("INIT", "READY", "EXPIRED", "DELETED", "PROBLEM")
)


@pytest.fixture
def tag(admin: Caller, name: Callable[[str], str]) -> Iterator[str]:
    """A tag; the tasks and requests for it are ended with it."""
    made = name("tag")
    admin.quiet.createTag(made, arches="x86_64")
    yield made
    end(admin.quiet, made)


def end(admin: Any, tag: str) -> None:
    for task in admin.listTasks({"method": "newRepo", "state": [koji.TASK_STATES["FREE"]], "decode": True}):
        if tag in str(task["request"]):
            admin.cancelTask(task["id"])
    if admin.getTag(tag):
        admin.deleteTag(tag)


@pytest.fixture
def kojira(login: Callable[..., Caller], admin: Caller, name: Callable[[str], str]) -> Caller:
    """A user with permission repo, and nothing else."""
    user = name("kojira")
    admin.quiet.createUser(user)
    admin.quiet.grantPermission(user, "repo")
    return login("kojira", user)


def of_tag(caller: Caller, tag: str) -> list[dict[str, Any]]:
    """The requests for a tag's repos."""
    found: list[dict[str, Any]] = caller.repo.queryQueue([["tag_name", "=", tag]], "**", {"order": "id"})
    return found


def begun(builder: Builder, tag: str) -> int:
    """A repo that the host has begun."""
    return int(builder.quiet.host.repoInit(tag)[0])


def test_a_tag_is_made_shown_and_deleted(admin: Caller, anonymous: Caller, name: Callable[[str], str]) -> None:
    tag = name("tag")
    assert anonymous.getTag(tag) is None
    admin.createTag(tag, arches="x86_64", extra={"repo.auto": False})
    assert anonymous.getTag(tag)["extra"] == {"repo.auto": False}
    admin.editTag2(tag, extra={"repo.auto": True})
    assert anonymous.getTag(tag)["extra"] == {"repo.auto": True}
    with fault(1000):
        admin.createTag(tag)
    admin.deleteTag(tag)
    assert anonymous.getTag(tag) is None
    with fault(1000):
        anonymous.getTag(tag, strict=True)


def test_a_tags_changes_are_events(admin: Caller, anonymous: Caller, tag: str) -> None:
    first = anonymous.tagFirstChangeEvent(tag)
    assert anonymous.tagLastChangeEvent(tag) == first
    assert anonymous.tagFirstChangeEvent(tag, after=first) is None
    admin.quiet.editTag2(tag, extra={"repo.lag": 1})
    last = anonymous.tagLastChangeEvent(tag)
    assert last > first
    assert anonymous.tagFirstChangeEvent(tag, after=first) == last
    assert anonymous.tagLastChangeEvent(tag, before=last) == first


def test_whoever_is_logged_in_may_ask_for_a_repo(login: Callable[..., Caller], tag: str) -> None:
    caller = login("host")
    asked = caller.repo.request(tag)
    assert (asked["repo"], asked["duplicate"], asked["request"]["tag_name"]) == (None, False, tag)
    again = caller.repo.request(tag)
    assert again["duplicate"] is True
    assert again["request"]["id"] == asked["request"]["id"]


def test_nobody_else_may(anonymous: Caller, tag: str) -> None:
    with fault(1004):
        anonymous.repo.request(tag)


def test_wrong_requests_are_refused(admin: Caller, tag: str, name: Callable[[str], str]) -> None:
    with fault(1000):
        admin.repo.request(name("tag"))
    with fault(1019):
        admin.repo.request(tag, opts={"nonsense": True})
    with fault(1019):
        admin.repo.request(tag, opts="src")
    with fault(1019):
        admin.repo.request(tag, min_event=1, at_event=1)
    with fault(1000):
        admin.repo.checkRequest(2**30)


def test_kojira_has_requests_become_tasks(admin: Caller, kojira: Caller, tag: str) -> None:
    request = admin.quiet.repo.request(tag, opts={"src": True})["request"]
    assert kojira.repo.checkQueue() is None
    found = admin.repo.checkRequest(request["id"])
    assert found["request"]["tries"] == 1
    assert found["task"]["method"] == "newRepo"
    assert koji.TASK_STATES[found["task"]["state"]] == "FREE"
    asked = admin.quiet.getTaskRequest(found["task"]["id"])
    assert asked[0]["name"] == tag
    assert asked[1]["opts"] == {"src": True}
    assert admin.quiet.getChannel(found["task"]["channel_id"])["name"] == "createrepo"
    # It has its task.
    kojira.quiet.repo.checkQueue()
    assert of_tag(admin, tag)[0]["task_id"] == found["task"]["id"]


def test_a_task_that_was_cancelled_is_made_again(admin: Caller, kojira: Caller, tag: str) -> None:
    admin.quiet.repo.request(tag)
    kojira.quiet.repo.checkQueue()
    first = of_tag(admin.quiet, tag)[0]["task_id"]
    admin.quiet.cancelTask(first)
    kojira.repo.checkQueue()
    [request] = of_tag(admin, tag)
    assert (request["active"], request["tries"]) == (True, 2)
    assert request["task_id"] > first


def test_tags_with_repo_auto_are_asked_for_by_themselves(admin: Caller, kojira: Caller, tag: str) -> None:
    kojira.quiet.repo.autoRequests()
    assert of_tag(admin, tag) == []
    admin.quiet.editTag2(tag, extra={"repo.auto": True})
    assert kojira.repo.autoRequests() is None
    kojira.repo.autoRequests()
    [request] = of_tag(admin, tag)
    assert request["priority"] == koji.PRIO_DEFAULT + 5


def test_a_repo_that_is_ready_ends_the_requests_that_it_fits(
    admin: Caller, kojira: Caller, builder: Builder, tag: str
) -> None:
    plain = admin.quiet.repo.request(tag)["request"]["id"]
    with_source = admin.quiet.repo.request(tag, opts={"src": True})["request"]["id"]
    repo = begun(builder, tag)
    assert admin.repo.checkRequest(plain)["repo"] is None
    assert kojira.repo.setState(repo, READY) is None
    assert admin.repo.checkRequest(plain)["repo"]["id"] == repo
    assert admin.repo.checkRequest(with_source)["request"]["active"] is True
    assert admin.repo.get(tag)["id"] == repo
    assert admin.repo.request(tag)["repo"]["id"] == repo


def test_a_host_begins_repos_and_nobody_else(admin: Caller, builder: Builder, tag: str) -> None:
    repo, _ = builder.host.repoInit(tag, opts={"src": True})
    found = admin.repoInfo(repo)
    assert (found["state"], found["tag_name"], found["dist"]) == (INIT, tag, False)
    assert found["opts"] == {"src": True, "debuginfo": False, "separate_src": False, "maven": False}
    assert found["custom_opts"] == {"src": True}
    with fault(1002):
        admin.host.repoInit(tag)


def test_a_repos_state_goes_upward(admin: Caller, kojira: Caller, builder: Builder, tag: str) -> None:
    repo = begun(builder, tag)
    kojira.repo.setState(repo, READY)
    assert kojira.repoExpire(repo) is None
    with fault(1000):
        kojira.repo.setState(repo, READY)
    kojira.repoExpire(repo)  # it is so already
    assert kojira.repoProblem(repo) is None
    assert kojira.repo.setState(repo, DELETED) is None
    with fault(1000):
        kojira.repoProblem(repo)
    assert admin.repoInfo(repo)["state"] == DELETED
    assert admin.repoInfo(2**30) is None


def test_a_repo_is_of_the_past_once_its_tag_has_changed(
    admin: Caller, kojira: Caller, builder: Builder, tag: str
) -> None:
    repo = begun(builder, tag)
    kojira.quiet.repo.setState(repo, READY)
    assert kojira.repo.updateEndEvents() is None
    assert admin.repoInfo(repo)["end_event"] is None
    admin.quiet.editTag2(tag, extra={"repo.lag": 1})
    kojira.quiet.repo.updateEndEvents()
    assert admin.repoInfo(repo)["end_event"] == admin.quiet.tagLastChangeEvent(tag)


def test_repos_are_found_by_their_fields(anonymous: Caller, kojira: Caller, builder: Builder, tag: str) -> None:
    old, new = begun(builder, tag), begun(builder, tag)
    kojira.quiet.repo.setState(old, PROBLEM)
    own = ["tag_name", "=", tag]
    fields = [
        *("id", "tag_id", "create_event", "state", "dist", "task_id", "tag_name", "creation_ts", "state_ts"),
        *("end_event", "opts", "custom_opts", "task_state"),
    ]
    found = anonymous.repo.query([own, ["state", "!=", DELETED]], fields, {"order": "id"})
    assert [row["id"] for row in found] == [old, new]
    assert [row["id"] for row in anonymous.repo.query([own, ["state", PROBLEM]])] == [old]
    assert [row["id"] for row in anonymous.repo.query([own, ["id", [new]]], ["id"])] == [new]
    assert anonymous.repo.query([own, ["create_event", ">", found[0]["create_event"]]], ["id"]) == [{"id": new}]
    assert anonymous.repo.query([own, ["end_event", "IS", None]], ["id"], {"countOnly": True}) == 2
    with fault(1019):
        anonymous.repo.query([["nonsense", "=", 1]])
    with fault(1019):
        anonymous.repo.query([["id", "LIKE", 1]])


@pytest.mark.parametrize("call", ["repo.checkQueue", "repo.autoRequests", "repo.updateEndEvents"])
def test_kojiras_rounds_take_its_permission(login: Callable[..., Caller], call: str) -> None:
    with fault(1004):
        login("host").call(call)


def test_states_take_permission_repo(login: Callable[..., Caller], builder: Builder, tag: str) -> None:
    repo = begun(builder, tag)
    for refused in ("repoExpire", "repoProblem"):
        with fault(1004):
            builder.call(refused, repo)
    with fault(1004):
        builder.repo.setState(repo, DELETED)


def test_what_kojira_reads_besides(anonymous: Caller, builder: Builder, tag: str) -> None:
    repo = begun(builder, tag)
    assert anonymous.repo.references(repo) == []
    assert anonymous.getBuildTargets(buildTagID=anonymous.quiet.getTag(tag)["id"]) == []
    assert "DEFAULT" in [volume["name"] for volume in anonymous.quiet.listVolumes()]
    assert "x86_64" in anonymous.quiet.getAllArches()
    assert anonymous.getTagExternalRepos(tag) == []
