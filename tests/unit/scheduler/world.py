# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub in memory, a namespace in memory, and the scheduler between them, which can be killed between any two calls."""

from __future__ import annotations

import base64
import json
import re
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import BUILDER_LABEL, Settings, parse
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubSession
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import API_VERSION
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.board import Board
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.builder import Builder, Tick
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.connection import Surroundings
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import Stop, fault, result

from tests.devhub.core.storage import eq
from tests.devhub.local import Clock, LocalHub, local_session
from tests.unit.scheduler.cluster import MemoryCluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.fedoraproject.koji.plugins.module_utils import sessions

HOST = "builder-1"
ADDRESS = "127.0.0.1"  # of the operator, as the hub sees it
NAME = "default"
STATES = koji.TASK_STATES


class Killed(BaseException):
    """The scheduler's process is gone."""


class Inline(Executor):
    """A pool that works at once, so that a kill hits the caller."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Fuse:
    """Burns down call by call; then the scheduler is killed, before or after the call has had its effect."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.at = ""  # only calls that are named so burn it: of a cluster's, or one of those in a request to the hub
        self.after = False
        self.instead: Callable[[], None] | None = None  # happens while the scheduler stands still, which then goes on

    def around(self, call: Callable[[], Any], name: str = "") -> Any:
        if self.left is None or self.at not in name:
            return call()
        self.left -= 1
        if self.left >= 0:
            return call()
        if self.instead is not None:
            self.left = None
            answer = call() if self.after else None
            self.instead()
            return answer if self.after else call()
        if self.after:
            call()
        raise Killed


class FusedCluster:
    """The namespace as a scheduler sees it that may be killed."""

    def __init__(self, inner: MemoryCluster, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in {"pods", "builders", "config_maps", "vanished"}:  # caches
            return found
        return lambda *args, **kwargs: self._fuse.around(lambda: self._answer(name, found, *args, **kwargs), name)

    def _answer(self, name: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        answer = call(*args, **kwargs)
        if name in self._inner.lose:
            self._inner.lose.discard(name)
            raise ClusterError(0, "Unreachable", "the answer was lost")
        return answer


class Access:
    """HubAccess to a hub in memory."""

    def __init__(self, hub: LocalHub, fuse: Fuse, user: str = HOST, address: str = ADDRESS) -> None:
        self.hub, self.fuse, self.user, self.address = hub, fuse, user, address
        self.failing: set[str] = set()  # methods that the hub answers with an error, one by one in a multicall

    def _session(self, sinfo: dict[str, Any] | None = None, user: str | None = None) -> Any:
        fuse, failing = self.fuse, self.failing

        class Fused(HubSession):
            def _sendCall(self, handler: Any, headers: Any, request: Any) -> Any:  # noqa: N802
                text = request if isinstance(request, str) else request.decode()
                for method in failing:
                    text = re.sub(rf">{method}<", f">no{method}<", text)
                return fuse.around(lambda: super(Fused, self)._sendCall(handler, headers, text.encode()), text)

        return local_session(
            self.hub, user, sinfo=sinfo, base=Fused, address=self.address, serverca=__file__, max_retries=0
        )

    def anonymous(self) -> Any:
        return self._session()

    def attach(self, sinfo: sessions.Sinfo) -> Any:
        return self._session(sinfo.koji(), self.user)

    def login(self) -> Any:
        session = self._session(user=self.user)
        session.ssl_login()
        return session

    def renew(self, session: Any) -> None:
        session.logged_in = False
        session.ssl_login(renew=True)

    def close(self) -> None:
        """Have nothing to close."""


class World:
    """Everything around one KojiBuilder. `changes` go into builder.json."""

    def __init__(self, hub_conf: dict[str, Any] | None = None, **changes: Any) -> None:
        self.clock = Clock()
        self.hub = LocalHub(hub_conf, clock=self.clock)
        self.storage: Any = self.hub.hub.storage  # .down = True: the database is down
        self.admin = self.hub.admin()
        self.admin.addHost(HOST, ["x86_64"])
        self.admin.editHost(HOST, capacity=1000.0)
        self.cluster = MemoryCluster(self.clock)
        self.user, self.address = HOST, ADDRESS  # whom the certificate names, and where the operator calls from
        self.pod_address = ADDRESS  # where pods call from
        self.failing: set[str] = set()  # methods that the hub answers the builder with an error
        self.woken: list[str] = []  # other builders of the process, as they were woken
        self._workers: dict[str, Any] = {}  # pod's uid -> its runner's session
        self.cluster.resources[NAME] = {
            "apiVersion": API_VERSION,
            "kind": "KojiBuilder",
            "metadata": {"name": NAME, "namespace": "ns", "uid": "cr-1", "generation": 1},
        }
        self.config: dict[str, Any] = {
            "hub_url": "https://koji-hub.test:8443/kojihub",
            "user": HOST,
            "ca_secret": "ca",
            "client_secret": "client",
            "slots": 2,
            "paused": False,
            "task_attempts": 3,
            "start_deadline": 120,
            "drain_timeout": 600,
            "volume_methods": ["newRepo"],
            "shared_pvc": None,
            "failed_pod_history": {"count": 2, "max_age": 3600},
            "host_archs": ["x86_64"],
        }
        self.change(**changes)
        self.builder = self.restart()

    # The builder and its process

    def change(self, **changes: Any) -> None:
        """Write builder.json anew, as the role does."""
        self.config.update(changes)
        pod = {
            "spec": {
                "containers": [{"name": "task", "image": "koji-builder"}],
                "volumes": [{"name": "task", "secret": {}}],
            }
        }
        self.cluster.maps["koji-default-builder"] = {
            "metadata": {
                "name": "koji-default-builder",
                "namespace": "ns",
                "uid": "map-1",
                "resourceVersion": str(len(self.cluster.calls)),
                "labels": {BUILDER_LABEL: NAME},
                "ownerReferences": [{"kind": "KojiBuilder", "name": NAME, "uid": "cr-1"}],
            },
            "data": {"builder.json": json.dumps(self.config), "pod.json": json.dumps(pod)},
        }

    @property
    def settings(self) -> Settings:
        return parse(self.cluster.maps["koji-default-builder"])

    def restart(self) -> Builder:
        """Start a new process: it knows what is in the cluster, nothing else."""
        self.fuse = Fuse()
        cluster: Any = FusedCluster(self.cluster, self.fuse)
        access = Access(self.hub, self.fuse, self.user, self.address)
        access.failing = self.failing

        def may_write() -> None:
            if self.builder is not made:
                raise Stop

        board = Board(self.woken.append)
        around = Surroundings(cluster, lambda *_: access, may_write, Inline(), self.clock, lambda: 0.0, board=board)
        made = self.builder = Builder(self.settings, around)
        return made

    def overtaken_tick(self, calls: int, ticks: int) -> None:
        """Tick; before the nth call the Lease runs out, and another process takes over. Raises hub.Stop."""
        builder, fuse = self.builder, self.fuse

        def successor() -> None:
            self.restart()
            for _ in range(ticks):
                self.tick()

        fuse.left, fuse.instead = calls, successor
        try:
            self.clock.tick(1)
            builder.configure(self.settings)
            builder.tick()
        finally:
            fuse.left, fuse.instead = None, None

    def tick(self, seconds: float = 1.0) -> Tick:
        """Let time pass, then tick."""
        self.clock.tick(seconds)
        self.builder.configure(self.settings)
        return self.builder.tick()

    def ticks(self, count: int) -> Tick:
        """Tick so often, a second apart."""
        for _ in range(count - 1):
            self.tick()
        return self.tick()

    # Tasks and pods

    @property
    def session(self) -> int:
        """The master session's id."""
        assert self.builder.hub is not None
        return self.builder.hub.session_id

    def task(self, method: str = "sleep", args: list[Any] | None = None, **opts: Any) -> int:
        """Make a task."""
        made: int = self.admin.makeTask(method, [0] if args is None else args, **opts)
        return made

    def state(self, task_id: int) -> str:
        """Where a task is."""
        return str(STATES[self.admin.getTaskInfo(task_id)["state"]])

    def task_row(self, task_id: int) -> Any:
        """A task's row in the hub's database."""
        tx = self.storage.begin()
        try:
            return tx.select("task", eq(id=task_id))[0]
        finally:
            tx.close()

    def pod(self, task_id: int, attempt: int = 1) -> dict[str, Any]:
        """A task's pod."""
        return self.cluster.all_pods[f"koji-task-{task_id}-{attempt}"]

    def content(self, name: str) -> dict[str, Any]:
        """What is in a pod's Secret."""
        content: dict[str, Any] = json.loads(base64.b64decode(self.cluster.secrets[name]["data"]["task.json"]))
        return content

    def worker(self, name: str) -> Any:
        """The runner's session, as its Secret had it when it started."""
        uid = self.cluster.all_pods[name]["metadata"]["uid"]
        if uid not in self._workers:
            sinfo = {**self.content(name)["session"], "header-auth": True}
            self._workers[uid] = local_session(
                self.hub, sinfo=sinfo, base=HubSession, address=self.pod_address, max_retries=0
            )
        return self._workers[uid]

    def close(self, name: str) -> bool:
        """Let a runner close its task and exit; False if the hub would not have it."""
        if not self.report(int(name.split("-")[2]), self.worker(name)):
            self.cluster.end(name, 70, "")
            return False
        self.cluster.end(name, 0, json.dumps({"outcome": "closed"}))
        return True

    @staticmethod
    def report(task_id: int, worker: Any) -> bool:
        """Close a task with a runner's session; False if the hub would not have it, or does not answer."""
        try:
            worker.host.closeTask(task_id, result("done"))
        except (koji.GenericError, OSError):
            return False
        return True

    def expire(self) -> None:
        """Let the host's sessions expire, as they do when SessionRenewalTimeout is over."""
        user = self.admin.getUser(HOST)["id"]
        tx = self.storage.begin()
        try:
            tx.update("sessions", {"expired": True}, eq(user_id=user, closed=False))
            tx.commit()
        finally:
            tx.close()

    def fail(self, name: str) -> None:
        """Let a runner fail its task and exit."""
        self.worker(name).host.failTask(int(name.split("-")[2]), fault("it does not build"))
        self.cluster.end(name, 1, json.dumps({"outcome": "failed"}))

    def behave(self) -> None:
        """Let pods do what they should: start, and go when they are told to."""
        for name, pod in list(self.cluster.all_pods.items()):
            if "deletionTimestamp" in pod["metadata"]:
                self.cluster.end(name, 143)
            elif pod["status"]["phase"] == "Pending":
                self.cluster.begin(name)

    def run(self, task_id: int, attempt: int = 1) -> str:
        """Start a task's pod; give its name."""
        name = f"koji-task-{task_id}-{attempt}"
        assert self.cluster.begin(name)
        return name

    def condition(self) -> dict[str, Any]:
        """The condition Scheduling."""
        found: dict[str, Any] = self.cluster.resources[NAME]["status"]["conditions"][0]
        return found

    def event_reasons(self) -> set[str]:
        """Reasons of all events."""
        return {event["reason"] for event in self.cluster.events.values()}

    def subsessions(self) -> set[int]:
        """Subsessions that are open on the hub."""
        rows = self.admin.getSessionInfo(details=True, user_id=HOST)
        return {row["id"] for row in rows if row["master"]}
