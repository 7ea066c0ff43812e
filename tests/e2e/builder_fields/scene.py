# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The builders whose fields are shown, and what is read of their pods while they run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.devhub.certificates import Authority
from tests.e2e.resources import SOON, builder

if TYPE_CHECKING:
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

# Each builder has channels of its own, so that a task's channel says whose it is.
PLACED, OTHER, SPREAD, USERNS = "default", "vm", "image", "livecd"
POOL, ZONE, ONLY = "koji.test/pool", "koji.test/zone", "koji.test/only"
NO_SECRET = "e2e-no-such-registry"
WITHOUT_KOJI = "localhost/haproxy:dev"  # an image with Python, and without koji's library
EGRESS = [
    {"ports": [{"port": 5432}], "to": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": []}}]},
    {"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "files"}}}]},
]
SITE_CONF = "[kojid]\npackager = the site\nretry_interval = 7\n"
# What a process in the pod sees; the runner reads kojid.conf by the same code.
LOOK = """
import json, os, pathlib
from runner.options import Options
def first(*paths):
    return next((pathlib.Path(path).read_text().strip() for path in paths if os.path.exists(path)), None)
print(json.dumps({
    "env": dict(os.environ),
    "ids": [os.getuid(), os.getgid(), sorted(os.getgroups())],
    "memory": first("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"),
    "site": sorted(os.listdir("/srv/site")) if os.path.isdir("/srv/site") else None,
    "motd": first("/srv/site/motd"),
    "site_writable": os.access("/srv/site", os.W_OK),
    "kojid": vars(Options(pathlib.Path("/etc/koji-operator/kojid.conf"), "-").values),
}, default=str))
"""


def one_of(label: str, *values: str) -> Json:
    """An affinity that requires a node label."""
    expression = {"key": label, "operator": "In", "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def classes(suffix: str) -> list[Json]:
    """Cluster-scoped objects that pods name: two PriorityClasses, two RuntimeClasses of the runtime that is there."""
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": f"{name}-{suffix}"},
            "value": value,
            "preemptionPolicy": "Never",
        }
        for name, value in (("usual", 1001), ("urgent", 1002))
    ] + [
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": f"{name}-{suffix}"},
            "handler": "runc",
            "overhead": {"podFixed": {"memory": memory}},
        }
        for name, memory in (("usual", "1Mi"), ("urgent", "2Mi"))
    ]


def files(namespace: str) -> list[Json]:
    """What the builders name in their namespace."""
    own = {"namespace": namespace}
    foreign = Authority("somebody else's CA").pair.certificate
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "site", **own}, "data": {"motd": "hello"}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "site-kojid", **own},
            "data": {"kojid.conf": SITE_CONF},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "foreign-ca", **own},
            "stringData": {"ca.crt": foreign},
        },
    ]


def placed(namespace: str, suffix: str) -> Json:
    """The builder that says everything that a pod can be told and still run."""
    return builder(
        "placed",
        namespace,
        replicas=20,
        task_attempts=1,
        host_archs=["x86_64", "i686", "aarch64"],
        channels=[PLACED, OTHER],
        configmap="site-kojid",
        packager="the resource",
        topurl="https://files.example.org/koji",
        node_selector={POOL: "fields"},
        affinity=one_of(ZONE, "a"),
        tolerations=[{"key": ONLY, "operator": "Exists"}],
        priority_class_name=f"usual-{suffix}",
        runtime_class_name=f"usual-{suffix}",
        image_pull_secrets=[{"name": NO_SECRET}],
        security_context={"runAsUser": 1234, "runAsGroup": 2345, "supplementalGroups": [3456]},
        resources={
            "requests": {"cpu": "0.05", "memory": "65536Ki"},
            "limits": {"memory": "256Mi", "ephemeral-storage": "1Gi"},
        },
        env=[
            {"name": "SITE", "value": "of the builder"},
            {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
        ],
        volumes=[{"name": "site", "configMap": {"name": "site"}}],
        volume_mounts=[{"name": "site", "mountPath": "/srv/site", "readOnly": True}],
        volume_sizes={"work": "64Mi", "mock": "65Mi", "mock_cache": "66Mi", "tmp": "1Mi"},
        pod_disruption_budget={"minAvailable": 50},
        network_policy={"egress": EGRESS},
        overrides=[
            {
                "methods": ["sleep"],
                "channels": [OTHER],
                "resources": {"limits": {"memory": "200Mi"}},
                "node_selector": {POOL: "fields", ZONE: "a"},
                "affinity": one_of(POOL, "fields"),
                "tolerations": [{"key": "koji.test/more", "operator": "Exists"}],
                "priority_class_name": f"urgent-{suffix}",
                "runtime_class_name": f"urgent-{suffix}",
                "volume_sizes": {"work": "74Mi", "mock": "75Mi", "mock_cache": "76Mi", "tmp": "5Mi"},
                "env": [{"name": "SITE", "value": "of the method"}, {"name": "METHOD", "value": "yes"}],
            },
            {
                "channels": [OTHER],
                "volume_sizes": {"tmp": "2Mi"},
                "env": [{"name": "CHANNEL", "value": "yes"}, {"name": "SITE", "value": "of the channel"}],
            },
            {"methods": ["elsewhere"], "image": WITHOUT_KOJI},
            {"methods": ["astray"], "start_deadline": 6, "affinity": one_of(ZONE, "nowhere")},
            {"channels": ["createrepo"], "env": [{"name": "NEVER", "value": "seen"}]},
        ],
    )


def others(namespace: str) -> list[Json]:
    """Builders whose pods can't run here, and one that may not log in."""
    spread = {"maxSkew": 1, "topologyKey": "koji.test/no-node-has-it", "whenUnsatisfiable": "DoNotSchedule"}
    return [
        builder("spread", namespace, channels=[SPREAD], start_deadline=8, topology_spread_constraints=[spread]),
        builder("own-users", namespace, channels=[USERNS], start_deadline=5, host_users=False),
        builder("unverified", namespace, ssl_verify=False, cacert_secret="foreign-ca"),
    ]


@dataclass
class Scene:
    """The builders' namespace, and the tasks and pods of `placed` by name."""

    kube: Kube
    hub: Hub
    node: str
    suffix: str
    tasks: dict[str, int] = field(default_factory=dict)
    pods: dict[str, Json] = field(default_factory=dict)
    looks: dict[str, Json] = field(default_factory=dict)  # what was seen from inside
    unverified: Json = field(default_factory=dict)  # that builder, when it was judged

    @property
    def namespace(self) -> str:
        """Where everything is."""
        return self.hub.namespace

    def start(self, name: str, method: str = "sleep", **options: Any) -> None:
        """Make a task."""
        arguments = [300] if method == "sleep" else []
        self.tasks[name] = self.hub.session().makeTask(method, arguments, **options)

    def pod(self, name: str) -> Json:
        """The newest pod of a task, as it is now; {} without one."""
        found = self.kube.find("Pod", self.namespace, f"koji-task={self.tasks[name]}")
        return max(found, key=lambda pod: int(pod["metadata"]["name"].rpartition("-")[2]), default={})

    def stuck(self, name: str, words: str) -> str:
        """Wait until the cluster's scheduler says why a task's pod has no node. -> what it says"""

        def message() -> str:
            conditions = (self.pod(name).get("status") or {}).get("conditions") or []
            said = [str(c.get("message")) for c in conditions if (c["type"], c["status"]) == ("PodScheduled", "False")]
            return said[0] if said and words in said[0] else ""

        told: str = self.kube.wait_for(
            message, SOON, f"pod of task {name}: {words}", lambda: self.pod(name).get("status")
        )
        return told

    def running(self, name: str) -> Json:
        """Wait until a task's pod runs; look around inside and remember both."""

        def found() -> Json | None:
            pod = self.pod(name)
            ready = (pod.get("status") or {}).get("containerStatuses") or []
            return pod if ready and ready[0].get("started") else None

        pod: Json = self.kube.wait_for(found, SOON, f"pod of task {name} runs", lambda: self.pod(name).get("status"))
        self.pods[name] = pod
        self.looks[name] = json.loads(self.run(name, "python3", "-c", LOOK))
        return pod

    def run(self, name: str, *command: str) -> str:
        """Run a command in a task's container. -> what it prints"""
        pod = self.pods[name]["metadata"]["name"]
        return self.kube.kubectl("exec", "-n", self.namespace, pod, "-c", "task", "--", *command)

    def said(self, builder: str, words: str) -> str:
        """A builder's event with these words, or ''. Its condition says it too, but only while the builder pauses."""
        messages = [str(event.get("message")) for event in self.kube.events(self.namespace, builder)]
        return next((message for message in messages if words in message), "")

    def builder(self, name: str = "placed") -> Json:
        """A builder as it is now."""
        found = self.kube.get("KojiBuilder", name, self.namespace)
        assert found is not None
        return found


def container(pod: Json) -> Json:
    """The container that runs the task."""
    found: Json = pod["spec"]["containers"][0]
    return found


def sizes(pod: Json) -> dict[str, str]:
    """Folder, without the leading slash -> the limit of its volume, of emptyDirs that have one."""
    volumes = pod["spec"]["volumes"]
    limits = {v["name"]: v["emptyDir"]["sizeLimit"] for v in volumes if v.get("emptyDir", {}).get("sizeLimit")}
    return {m["mountPath"].strip("/"): limits[m["name"]] for m in container(pod)["volumeMounts"] if m["name"] in limits}
