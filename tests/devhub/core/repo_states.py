# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The states of repos, which kojira sets."""

from typing import Any

from .context import Context, export
from .convert import cast
from .enums import RepoState
from .faults import GenericError, ParameterError
from .repo_queue import done
from .storage import eq
from .tags import first_change


@export("repo.setState")
def set_state(context: Context, repo_id: Any, state: Any) -> None:
    """Set a repo's state, which goes upward only, and to DELETED from everywhere."""
    context.assert_perm("repo")
    repo_id = cast(repo_id, int)
    if not 0 <= state < len(RepoState):
        raise ParameterError(f"Unknown repo state: {state}")
    row = context.one("repo", id=repo_id, lock=True)
    if row is None:
        raise GenericError("query returned no rows")
    if row["state"] > state and state != RepoState.DELETED:
        change = f"{RepoState(row['state']).name} -> {RepoState(state).name}"
        raise GenericError(f"Invalid repo state transition for repo {repo_id}: {change}")
    if row["state"] == state:
        return
    if row["state"] == RepoState.DELETED:
        raise GenericError(f"Repo {repo_id} is deleted")
    context.tx.update("repo", {"state": int(state), "state_time": context.now()}, eq(id=repo_id))
    if state == RepoState.READY:
        done(context, repo_id)


@export("repoExpire")
def expire(context: Context, repo_id: Any) -> None:
    """Say that a repo is not to be used any more."""
    set_state(context, repo_id, RepoState.EXPIRED)


@export("repoProblem")
def problem(context: Context, repo_id: Any) -> None:
    """Say that something is wrong with a repo."""
    set_state(context, repo_id, RepoState.PROBLEM)


@export("repo.updateEndEvents")
def update_end_events(context: Context) -> None:
    """Note of each ready repo when its tag has changed."""
    context.assert_perm("repo")
    for row in context.tx.select("repo", eq(state=int(RepoState.READY), end_event=None)):
        end = first_change(context, row["tag_id"], after=row["create_event"])
        if end is not None:
            context.tx.update("repo", {"end_event": end}, eq(id=row["id"]))
