# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A real Kubernetes node on this machine, in a network namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import cgroups, components, config, image_builder, mounts, network, objects, packages, pki, programs
from .locks import locked
from .paths import ClusterError, Places
from .processes import ProcessRecord
from .progress import say, step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

READY_TIMEOUT = 60  # seconds for one component to answer; far more than a loaded machine of two cores takes
IMAGE_TRIES = 3
RESTARTED_LAST = ("controller-manager", "scheduler", "kubelet", "proxy", "coredns")  # end when the API doesn't answer


class Cluster:
    """One cluster, running or not. All methods may be called from several processes at once."""

    def __init__(self, name: str = "koji", places: Places | None = None) -> None:
        self.places = places or Places(name)
        self.name = self.places.name

    # -- up ----------------------------------------------------------------------------------------------------------

    def up(self) -> None:
        """Start the cluster, or repair it, or find it running; returns when a pod can be started in it.

        Errors: ClusterError; what was started so far is left for `logs`, and removed by `down` or the next `up`.
        """
        if os.geteuid() != 0:
            raise ClusterError("the test cluster needs root: it makes namespaces, mounts and containers")
        if self.healthy():
            self._recycle_volumes()
            return
        packages.ensure(packages.CLUSTER)
        binaries = programs.ensure()
        pause = image_builder.build(["pause"])
        begin = time.monotonic()
        with locked(self.places.lock, f"cluster {self.name} is being changed"):
            if self.healthy():
                return
            if self.places.state.exists() or self.places.netns_file.exists():
                if self._repair(binaries):
                    say(f"cluster {self.name} repaired in {time.monotonic() - begin:.1f} s")
                    return
                with step(f"cluster {self.name} is in pieces: removing it"):
                    self._remove()
            with step(f"starting cluster {self.name}"):
                self._create(binaries, pause)

    def _create(self, binaries: Path, pause: dict[str, image_builder.Built]) -> None:
        places = self.places
        self._write_files()
        cgroups.create(places.cgroup)
        network.create(places)
        self._create_mount_namespace()
        for name in ("etcd", "apiserver", "containerd"):
            self._start(name, binaries)
        self._wait("containerd", self._containerd_answers)
        image_builder.load(self.places, pause)
        self._wait("apiserver", self.api_ready)
        for name in RESTARTED_LAST:
            self._start(name, binaries)
        self._wait("apiserver", self._apply_objects)
        self._wait("kubelet", self._node_ready)
        self._wait("coredns", self._dns_answers)
        self._wait("controller-manager", self._accounts_work)
        (places.state / "complete").touch()

    def _repair(self, binaries: Path) -> bool:
        """Start what has ended, in a cluster that was complete once; False when that isn't enough."""
        places = self.places
        mounted = mounts.below(places.mount_namespace, Path("/proc/self/mountinfo").read_text())
        if not ((places.state / "complete").exists() and places.netns_file.exists() and mounted):
            return False
        dead = [name for name, record in self.processes().items() if record is None or not record.alive()]
        try:
            if dead:
                say(f"cluster {self.name}: starting again: {', '.join(dead)}")
            for name in dead:
                if name not in RESTARTED_LAST:
                    self._start(name, binaries)
            self._wait("containerd", self._containerd_answers)
            self._wait("apiserver", self.api_ready)
            for name in dead:
                if name in RESTARTED_LAST:
                    self._start(name, binaries)
            self._wait("kubelet", self.healthy)
        except ClusterError as problem:
            say(str(problem))
            return False
        return True

    def restart(self, name: str) -> None:
        """Kill one component and start it again, as a supervisor would; returns when the API answers."""
        record = self.processes()[name]
        if record is None or not record.alive():
            raise ClusterError(f"cluster {self.name}: {name} does not run")
        os.kill(record.pid, signal.SIGKILL)
        while record.alive():
            time.sleep(0.05)
        self._start(name, programs.ensure())
        self._wait(name, self.api_ready)

    def _write_files(self) -> None:
        places = self.places
        places.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        places.state.mkdir(mode=0o700)
        for folder in (places.pids, places.logs, places.config, places.config / "cni", places.volumes):
            folder.mkdir()
        for name in objects.volume_names():
            objects.make_folder(places, name)
        pki.create(places.pki)
        files = {
            places.kubeconfig: config.kubeconfig(places.pki, "admin"),
            places.resolv_conf: config.resolv_conf(),
            places.config / "audit-policy.yaml": config.audit_policy(),
            places.config / "kubelet.yaml": config.kubelet(places),
            places.config / "containerd.toml": config.containerd(places),
            places.config / "cni" / "10-pods.conflist": config.cni(places),
            places.config / "Corefile": config.corefile(places),
            places.config / "upstream-resolv.conf": "",
        }
        for client in ("controller-manager", "coredns", "kubelet", "proxy", "scheduler"):
            files[places.config / f"{client}.kubeconfig"] = config.kubeconfig(places.pki, client)
        for file, text in files.items():
            file.touch(mode=0o600)
            file.write_text(text)
        places.resolv_conf.chmod(0o644)  # programs under exec may run as anybody

    def _create_mount_namespace(self) -> None:
        """A mount namespace that lasts without a process in it; every mount in it goes when its file is unmounted."""
        file = self.places.mount_namespace
        file.parent.mkdir()
        network.run("mount", "--bind", str(file.parent), str(file.parent))
        network.run("mount", "--make-private", str(file.parent))  # else the namespace can't be mounted in itself
        file.touch()
        # containerd, its shims and the kubelet have fixed folders below these three: here they are the cluster's own.
        # A copy of another cluster's namespace file would keep that namespace alive beyond its `down`.
        script = """
            for namespace in /run/netns/* "$1"/*/namespace; do umount --lazy --recursive "$namespace" 2>/dev/null; done
            for folder in /run /var/lib /var/log; do mount -t tmpfs -o mode=0755 koji $folder || exit; done
            mkdir /run/lock
            mount --make-rshared / && echo ready && read -r _
        """
        command = ["unshare", "--mount", "--propagation=slave", "sh", "-c", script, "sh", str(self.places.root)]
        # A namespace can only be mounted in an older one; newer kernels tell the age by a number that each CPU has its
        # own supply of, so under `exec` a namespace made on one CPU may seem older than the one it is made in.
        for cpu in sorted(os.sched_getaffinity(0)):
            with subprocess.Popen(
                ["taskset", "--cpu-list", str(cpu), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as inside:
                assert inside.stdout is not None
                ready = inside.stdout.readline() == "ready\n"
                mount = ["mount", "--bind", f"/proc/{inside.pid}/ns/mnt", str(file)]
                done = subprocess.run(mount, capture_output=True, text=True, check=False)
                inside.communicate("\n")
            if ready and done.returncode == 0:
                return
        raise ClusterError(f"cluster {self.name}: no mount namespace for containerd: {done.stderr.strip()}")

    def _start(self, name: str, binaries: Path) -> None:
        (component,) = (each for each in components.components(self.places, binaries) if each.name == name)
        components.start(self.places, component, components.environment(binaries))

    def _wait(self, name: str, ready: Any, timeout: float = READY_TIMEOUT) -> None:
        """Poll until `ready()`; a component that ended, or doesn't get ready, is an error with its last lines."""
        until = time.monotonic() + timeout
        while not ready():
            record = ProcessRecord.read(self.places.pids / f"{name}.json")
            if record is None or not record.alive():
                raise ClusterError(f"cluster {self.name}: {name} has ended:\n{self.tail(name)}")
            if time.monotonic() > until:
                raise ClusterError(f"cluster {self.name}: {name} isn't ready after {timeout} s:\n{self.tail(name)}")
            time.sleep(0.1)

    def _apply_objects(self) -> bool:
        # The namespace kube-system appears a moment after the API says it is ready.
        text = json.dumps(objects.all_objects(self.places))
        command = ["apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-"]
        return self.kubectl(*command, input=text).returncode == 0

    def _recycle_volumes(self) -> None:
        """Empty the volumes whose claim was deleted and offer them again: nothing else does, for `local` ones."""
        with locked(self.places.volumes / ".lock", "it empties volumes"):
            shown = self.kubectl("get", "persistentvolumes", "-o", "json")
            for volume in json.loads(shown.stdout)["items"] if shown.returncode == 0 else []:
                name = volume["metadata"]["name"]
                folder = self.places.volumes / name
                if volume["status"].get("phase") == "Released" and folder.is_dir():
                    shutil.rmtree(folder)
                    objects.make_folder(self.places, name)
                    patch = '{"spec": {"claimRef": null}}'
                    self.kubectl("patch", "persistentvolume", name, "--type=merge", f"--patch={patch}")

    def _node_ready(self) -> bool:
        path = '{.items[0].status.conditions[?(@.type=="Ready")].status}'
        return self.kubectl("get", "nodes", "-o", f"jsonpath={path}").stdout == "True"

    def _accounts_work(self) -> bool:
        """The controllers run: a pod can't be created in a namespace before it has its service account."""
        return self.kubectl("get", "serviceaccount", "default", "-n", "default").returncode == 0

    def _dns_answers(self) -> bool:
        command = ["getent", "hosts", "kubernetes.default.svc"]
        return self.exec_command(command, capture_output=True).returncode == 0

    # -- down --------------------------------------------------------------------------------------------------------

    def down(self) -> bool:
        """Remove every trace of the cluster, in whatever state it is; whether there was any."""
        if os.geteuid() != 0:
            raise ClusterError("the test cluster needs root")
        with locked(self.places.lock, f"cluster {self.name} is being changed"):
            cgroup = cgroups.tracking() / self.places.cgroup.lstrip("/")
            existed = self.places.state.exists() or self.places.netns_file.exists() or cgroup.exists()
            if existed:
                with step(f"removing cluster {self.name}"):
                    self._remove()
            self.places.lock.unlink()
        with suppress(OSError):
            self.places.root.rmdir()
        return existed

    def _remove(self) -> None:
        places = self.places
        cgroups.leave(places.cgroup)  # when this is run under `exec`
        cgroups.kill(places.cgroup)
        network.remove(places)
        mounts.unmount_below(places.state)
        if places.state.exists():
            shutil.rmtree(places.state)
        cgroups.remove(places.cgroup)

    # -- looking at it -----------------------------------------------------------------------------------------------

    def processes(self) -> dict[str, ProcessRecord | None]:
        """The recorded process of each component."""
        names = [component.name for component in components.components(self.places, Path())]
        return {name: ProcessRecord.read(self.places.pids / f"{name}.json") for name in names}

    def healthy(self) -> bool:
        """Every component runs, the API answers, the node is ready and names are found."""
        if not (self.places.state / "complete").exists():
            return False
        if not all(record and record.alive() for record in self.processes().values()):
            return False
        return self._node_ready() and self._dns_answers()

    def api_ready(self) -> bool:
        """Whether the API server says it is ready."""
        return self.kubectl("get", "--raw", "/readyz").returncode == 0

    def tail(self, name: str, lines: int = 12) -> str:
        """The last lines of a component's log."""
        file = self.places.logs / f"{name}.log"
        if not file.exists():
            return f"{file}: no such log"
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])

    # -- working with it ---------------------------------------------------------------------------------------------

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; its address is reached under `exec` only."""
        return self.places.kubeconfig

    @property
    def audit_log(self) -> Path:
        """The audit log, one JSON object a line; a request that was answered is in it."""
        return self.places.audit_log

    def environment(self) -> dict[str, str]:
        """This process's environment with what `exec` adds."""
        path = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        return {
            **os.environ,
            "KOJI_TEST_CLUSTER": self.name,
            "KUBECONFIG": str(self.places.kubeconfig),
            "PATH": f"{programs.folder()}:{path}",
        }

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """The command line that runs `command` in the cluster's network, with its DNS; no shell reads the command."""
        # In the cluster's cgroup, so that `down` ends what was left running.
        enter = 'echo $$ > "$1" && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
        tasks = cgroups.guests(self.places.cgroup) / "cgroup.procs"
        return [
            "nsenter", f"--net={self.places.netns_file}", "--",
            "unshare", "--mount", "--propagation=slave", "--",
            "sh", "-c", enter, "sh", str(tasks), str(self.places.resolv_conf), *map(str, command),
        ]  # fmt: skip

    def exec_command(
        self, command: Sequence[str | Path], env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the cluster's network, with `env` added; `options` are subprocess.run's."""
        options = {"check": False, "text": True, **options}
        return subprocess.run(self.inside(command), env={**self.environment(), **(env or {})}, **options)  # noqa: PLW1510

    def popen(self, command: Sequence[str | Path], env: Mapping[str, str] | None = None, **options: Any) -> Any:
        """Start a program in the cluster's network; a signal to the process reaches the program itself."""
        return subprocess.Popen(self.inside(command), env={**self.environment(), **(env or {})}, **options)

    def kubectl(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run kubectl and keep what it says. DNS isn't needed: the kubeconfig has an address."""
        command = ["nsenter", f"--net={self.places.netns_file}", "--", f"{programs.folder()}/kubectl", *arguments]
        options = {"check": False, **({} if "input" in options else {"stdin": subprocess.DEVNULL}), **options}
        environment = self.environment()
        return subprocess.run(command, env=environment, text=True, capture_output=True, **options)  # noqa: PLW1510

    def _containerd_answers(self) -> bool:
        command = ["ctr", f"--address={self.places.containerd_socket}", "version"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def import_images(self, names: Sequence[str] | None = None) -> list[str]:
        """Build what isn't built and give the cluster what it lacks; the references that were imported."""
        for _ in range(IMAGE_TRIES):
            built = image_builder.build(names)
            try:
                with locked(self.places.lock, f"cluster {self.name} is being changed"):
                    return image_builder.load(self.places, built)
            except FileNotFoundError as error:
                # Another checkout has built an image of that name since, and with it deleted the blobs of ours.
                if not Path(error.filename).is_relative_to(image_builder.store()):
                    raise
        raise ClusterError(
            f"cluster {self.name}: another checkout keeps building its own images into {image_builder.store()}; "
            "give this one a cache of its own with KOJI_OPERATOR_CACHE"
        )

    @contextmanager
    def running(self) -> Iterator[Cluster]:
        """Up for the time of a `with` block, then gone."""
        try:
            self.up()
            yield self
        finally:
            self.down()
