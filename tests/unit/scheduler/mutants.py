# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Schedulers that were sabotaged, each in one point: `MUTANTS[name]()` is a context in which there is only that one."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from ansible_collections.fedoraproject.koji.plugins.module_utils import sessions
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler import (
    builder,
    connection,
    execute,
    leftovers,
    plan,
    trouble,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.actions import (
    Action,
    Delete,
    Free,
    Hold,
    Refuse,
    Revoke,
    Take,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import Hub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MUTANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {}


def mutant(function: Callable[[], Iterator[Any]]) -> Callable[[], AbstractContextManager[None]]:
    """Add a context to MUTANTS, by its name."""
    made = MUTANTS[function.__name__.replace("_", "-")] = contextmanager(function)
    return made


@contextmanager
def _planned(change: Callable[[list[Action], plan.View], list[Action]]) -> Iterator[None]:
    """Change what plan() gives."""

    def changed(view: plan.View) -> list[Action]:
        return change(plan.plan(view), view)

    with mock.patch.object(builder, "plan", changed):
        yield


@mutant
def never_revokes() -> Iterator[None]:
    """Says that subsessions are closed, and closes none."""

    def revoke(_self: Hub, subsessions: Sequence[int]) -> set[int]:
        return set(subsessions)

    with mock.patch.object(Hub, "revoke", revoke):
        yield


@mutant
def revokes_only_after_a_start() -> Iterator[None]:
    """Forgets the subsessions of pods that have vanished, unless it has just been started."""
    with _planned(lambda actions, view: [a for a in actions if not _orphaned(a, view)]):
        yield


def _orphaned(action: Action, view: plan.View) -> bool:
    return isinstance(action, Revoke) and action.subsession in view.orphaned


@mutant
def frees_what_it_could_not_revoke() -> Iterator[None]:
    """Gives a task away although its subsession may still be open."""
    revoke = execute.Executor._revoke

    def unfenced(self: execute.Executor, revokes: Sequence[Revoke]) -> set[int]:
        revoke(self, revokes)
        return set()

    with mock.patch.object(execute.Executor, "_revoke", unfenced):
        yield


@mutant
def never_releases_a_task_without_pod() -> Iterator[None]:
    """Waits for a pod that there is not."""
    with _planned(lambda actions, _view: [a for a in actions if not (isinstance(a, Free) and a.reason == "NoPod")]):
        yield


@mutant
def never_releases_a_crashed_task() -> Iterator[None]:
    """Waits for the result of a pod that has ended."""
    with _planned(lambda actions, _view: [a for a in actions if not isinstance(a, Free) or a.reason == "NoPod"]):
        yield


@mutant
def never_cleans_Secrets() -> Iterator[None]:  # noqa: N802
    """Leaves Secrets without a pod."""
    with mock.patch.object(leftovers.Leftovers, "_secrets", return_value=None):
        yield


@mutant
def never_cleans_subsessions() -> Iterator[None]:
    """Leaves subsessions whose pod was never made, or went while nobody looked."""
    with mock.patch.object(Hub, "children", return_value={}):
        yield


@mutant
def never_counts() -> Iterator[None]:
    """Tries a task for ever."""
    with _planned(lambda actions, _view: [replace(a, counted=False) if isinstance(a, Free) else a for a in actions]):
        yield


@mutant
def takes_one_too_many() -> Iterator[None]:
    """Offers, and uses, a slot that it does not have."""
    slots = trouble.slots
    with mock.patch.object(trouble, "slots", lambda *known: slots(*known) + 1):
        yield


@mutant
def takes_what_it_should_hold() -> Iterator[None]:
    """Takes every task that it was assigned."""

    def all_of_them(actions: list[Action], view: plan.View) -> list[Action]:
        methods = {task.id: task.method for task in view.assigned}
        return [Take(a.task_id, methods[a.task_id], 1) if isinstance(a, Hold) else a for a in actions]

    with _planned(all_of_them):
        yield


@mutant
def writes_without_its_Lease() -> Iterator[None]:  # noqa: N802
    """Goes on after a successor has taken over."""
    with mock.patch.object(connection, "Hub", lambda session, _may_write: Hub(session, lambda: None)):
        yield


@mutant
def never_forces() -> Iterator[None]:
    """Waits for ever for the holder of a session that is dead."""

    def held(self: sessions.MasterSession, _access: Any, _session: Any) -> None:
        raise sessions.Held(self.user, None)

    with mock.patch.object(sessions.MasterSession, "_force", held):
        yield


@mutant
def lets_cancelled_pods_go_on() -> Iterator[None]:
    """Never deletes the pod of a task that is not its own any more."""
    gone = ("Canceled", "TakenAway", "Lingering")
    with _planned(lambda actions, _view: [a for a in actions if not (isinstance(a, Delete) and a.reason in gone)]):
        yield


@mutant
def never_deletes_lost_pods() -> Iterator[None]:
    """Waits for ever for a node that does not answer."""
    with _planned(lambda actions, _view: [a for a in actions if getattr(a, "reason", "") != "NodeLost"]):
        yield


@mutant
def keeps_all_failed_pods() -> Iterator[None]:
    """Does not heed failed_pod_history."""
    with _planned(lambda actions, _view: [a for a in actions if getattr(a, "reason", "") != "HistoryLimit"]):
        yield


@mutant
def forgets_strays() -> Iterator[None]:
    """Leaves sessions of killed runs."""
    with mock.patch.object(Hub, "close_strays", return_value=None):
        yield


@mutant
def refuses_nothing() -> Iterator[None]:
    """Ignores a runner that says no."""
    with _planned(lambda actions, _view: [a for a in actions if not (isinstance(a, Refuse) and a.opened)]):
        yield
