# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Resources full of hostile strings: what is made of them keeps its shape, holds the strings as they are, runs nothing.

Each family of strings has a builder and a user with one in every field that takes it. Beside them stand a builder and a
user whose fields hold harmless words: what is made of the two may differ in these texts only.
"""

from __future__ import annotations

import base64
import configparser
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from tests.e2e.kube import condition
from tests.e2e.operator import CHECKOUT
from tests.e2e.resources import SOON, resource

from . import hostile
from .hostile import FAMILIES, Filled
from .test_schema import ALTERNATIVES, WITH_A_ROLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kube import Json

    from .world import World

HARMLESS = "harmless"
TRIED = ("KojiBuilder", "KojiUser")
TRIED_ELSEWHERE = {
    "KojiHub": CHECKOUT / "tests" / "e2e" / "kojihub" / "test_hostile.py",
    "KojiWeb": CHECKOUT / "tests" / "e2e" / "kojiweb" / "test_hostile.py",
    "Kojira": CHECKOUT / "tests" / "e2e" / "kojira" / "test_pod.py",
}
# Fields of a builder that its task pods have.
IN_THE_POD = (
    "spec.image", "spec.env[]", "spec.volumes[]", "spec.volume_mounts[]", "spec.affinity.", "spec.tolerations[]",
    "spec.topology_spread_constraints[]", "spec.node_selector{", "spec.resources.", "spec.security_context.",
    "spec.image_pull_secrets[]",
)  # fmt: skip
# What stands beside a builder as it is written: Kubernetes has rules of its own for it. -> kind, and the builder's name
BESIDE = {
    "spec.network_policy": ("NetworkPolicy", "odd-policy"),
    "spec.pod_disruption_budget": ("PodDisruptionBudget", "odd-budget"),
}
# With a principal a user gets no certificate, and what is made of that is looked at here.
INSTEAD = {"KojiUser": ["spec.authentication.krb"], "KojiBuilder": []}
TICKETS = "h-ticket-user"  # who has one
PRINCIPAL = "{{7*6}}`id`$(id)'\"@EXAMPLE.TEST"
IN_KOJID_CONF = ("vendor", "packager", "distribution", "allowed_scms")


def filled(kind: str, family: str) -> Filled:
    """A spec with the family's strings, or with harmless words in the same places, but for what stands beside."""

    def choose(leaf: hostile.Leaf, number: int) -> str | None:
        text = hostile.first_accepted(leaf, FAMILIES.get(family, FAMILIES["jinja"]), number)
        return hostile.harmless(leaf, number) if text is not None and family == HARMLESS else text

    return hostile.fill(hostile.spec_schema(kind), choose, *BESIDE, *INSTEAD[kind])


def name_of(kind: str, family: str) -> str:
    return f"h-{family}" if kind == "KojiBuilder" else f"h-{family}-user"


@pytest.fixture(scope="module", autouse=True)
def tried(world: World) -> Iterator[dict[tuple[str, str], Filled]]:
    """The resources, by kind and family."""
    made = {(kind, family): filled(kind, family) for kind in TRIED for family in (HARMLESS, *FAMILIES)}
    items = []
    for (kind, family), spec in made.items():
        item = resource(kind, name_of(kind, family), world.namespace, **spec.spec)
        item["metadata"]["annotations"] = {"note": FAMILIES.get(family, (HARMLESS,))[0]}
        items.append(item)
    strings = hostile.fill(hostile.spec_schema("KojiBuilder"), hostile.accepted(FAMILIES["jinja"]), ALTERNATIVES[1])
    for path, (_, name) in BESIDE.items():
        field = path.removeprefix("spec.")
        items.append(resource("KojiBuilder", name, world.namespace, **{field: strings.spec[field]}))
    items.append(resource("KojiUser", TICKETS, world.namespace, authentication={"krb": {"principal": PRINCIPAL}}))
    # XML, and so the hub, can't carry it.
    items.append(resource("KojiBuilder", "h-nul", world.namespace, description="a\u0000b"))
    world.apply(items)
    yield made
    for item in items:
        world.drop(item["kind"], item["metadata"]["name"], world.namespace)
    Path(hostile.MARKER).unlink(missing_ok=True)


def data(world: World, name: str) -> dict[str, str]:
    found = world.kube.get("ConfigMap", name, world.namespace)
    assert found is not None
    texts: dict[str, str] = found["data"]
    return texts


def head(world: World, kind: str, name: str) -> Json:
    """What stands around an object's data, but for names and times."""
    found = world.kube.get(kind, name, world.namespace)
    assert found is not None
    metadata = {key: value for key, value in found["metadata"].items() if key != "managedFields"}
    return {
        "object": sorted(found),
        "metadata": hostile.shape(metadata, set()),
        "labels": sorted(metadata["labels"]),
        "annotations": sorted(metadata.get("annotations") or {}),
        "data": sorted(found["data"]),
        "type": found.get("type"),
    }


def conf(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def test_every_kind_with_a_role_is_tried() -> None:
    assert {kind for kind in WITH_A_ROLE if kind.startswith("Koji")} == {*TRIED, *TRIED_ELSEWHERE}
    assert all(file.exists() for file in TRIED_ELSEWHERE.values())


@pytest.mark.parametrize("text", [*FAMILIES["jinja"][:2], *FAMILIES["shell"][1:]])
def test_the_strings_do_harm_where_they_are_evaluated(text: str) -> None:
    """Else a test that finds no harm would say nothing."""
    marker = Path(hostile.MARKER)
    text = hostile.written(text, 1)
    marker.unlink(missing_ok=True)
    if "{{" in text:
        assert hostile.EVALUATED in Templar(loader=DataLoader(), variables={}).template(text)
    else:
        subprocess.run(["bash", "-c", f"echo {text}"], check=False, stdout=subprocess.DEVNULL)
    assert marker.exists()
    marker.unlink()


@pytest.mark.parametrize("family", [HARMLESS, *FAMILIES])
@pytest.mark.parametrize("kind", TRIED)
def test_what_is_wrong_is_said_in_the_strings_own_words(
    world: World, tried: dict[tuple[str, str], Filled], kind: str, family: str
) -> None:
    field, reason = {
        "KojiBuilder": ("spec.channels[]", "UnknownChannel"), "KojiUser": ("spec.permissions[]", "UnknownPermission"),
    }[kind]  # fmt: skip
    judged = world.judged(kind, name_of(kind, family))
    assert judged.reason == reason
    assert repr(tried[kind, family].texts[field]) in judged.message
    if kind == "KojiUser" and family != HARMLESS:
        # The hub has rules of its own for principals, and what it refuses is named too.
        assert f"{tried[kind, family].texts['spec.krb_principals[]']!r} was refused by the hub" in judged.message


@pytest.mark.parametrize("family", FAMILIES)
def test_a_builders_objects_keep_their_shape(world: World, tried: dict[tuple[str, str], Filled], family: str) -> None:
    world.judged("KojiBuilder", f"h-{HARMLESS}")
    world.judged("KojiBuilder", f"h-{family}")
    for kind, name in (("ConfigMap", "builder"), ("ConfigMap", "runner"), ("Secret", "client-cert")):
        assert head(world, kind, f"koji-h-{family}-{name}") == head(world, kind, f"koji-h-{HARMLESS}-{name}")

    mine, plain = tried["KojiBuilder", family], tried["KojiBuilder", HARMLESS]
    assert mine.texts.keys() == plain.texts.keys()
    hostile_files, plain_files = (data(world, f"koji-h-{one}-builder") for one in (family, HARMLESS))
    for file in ("builder.json", "pod.json"):
        found, wanted = json.loads(hostile_files[file]), json.loads(plain_files[file])
        assert hostile.shape(found, mine.keys) == hostile.shape(wanted, plain.keys)
    assert data(world, f"koji-h-{family}-runner") == data(world, f"koji-h-{HARMLESS}-runner")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_task_pod_has_the_strings_as_they_are(
    world: World, tried: dict[tuple[str, str], Filled], family: str
) -> None:
    world.judged("KojiBuilder", f"h-{family}")
    pod = set(hostile.strings(json.loads(data(world, f"koji-h-{family}-builder")["pod.json"])))
    wanted = {path: text for path, text in tried["KojiBuilder", family].texts.items() if path.startswith(IN_THE_POD)}
    assert len(wanted) > 100
    assert {path: text for path, text in wanted.items() if text not in pod} == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_kojid_conf_has_only_options_that_the_operator_sets(
    world: World, tried: dict[tuple[str, str], Filled], family: str
) -> None:
    world.judged("KojiBuilder", f"h-{HARMLESS}")
    world.judged("KojiBuilder", f"h-{family}")
    found, wanted = (conf(data(world, f"koji-h-{one}-builder")["kojid.conf"]) for one in (family, HARMLESS))
    assert list(found) == list(wanted) == ["kojid"]
    assert found["kojid"].keys() == wanted["kojid"].keys()
    for option in IN_KOJID_CONF:
        text = tried["KojiBuilder", family].texts[f"spec.{option}"]
        assert found["kojid"][option] == " ".join(text.split())
    same = found["kojid"].keys() - set(IN_KOJID_CONF)
    assert {option: found["kojid"][option] for option in same} == {option: wanted["kojid"][option] for option in same}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_hub_has_the_strings_as_they_are(world: World, tried: dict[tuple[str, str], Filled], family: str) -> None:
    world.judged("KojiBuilder", f"h-{family}")
    world.judged("KojiUser", f"h-{family}-user")
    session = world.hub.session()
    host, texts = session.getHost(f"h-{family}"), tried["KojiBuilder", family].texts
    # XML reads every line end as a newline.
    for field in ("description", "comment"):
        assert host[field] == texts[f"spec.{field}"].replace("\r\n", "\n")
    assert session.listChannels(f"h-{family}") == []
    account = session.getUser(f"h-{family}-user")
    assert session.getUserPerms(account["id"]) == []
    assert account["krb_principals"] == []


def test_a_harmless_principal_is_the_users(world: World, tried: dict[tuple[str, str], Filled]) -> None:
    world.judged("KojiUser", f"h-{HARMLESS}-user")
    account = world.hub.session().getUser(f"h-{HARMLESS}-user")
    assert account["krb_principals"] == [tried["KojiUser", HARMLESS].texts["spec.krb_principals[]"]]


def test_a_principal_to_log_in_with_is_refused_in_its_own_words(world: World) -> None:
    judged = world.judged("KojiUser", TICKETS)
    assert f"{PRINCIPAL!r} was refused by the hub" in judged.message
    assert world.hub.session().getUser(TICKETS)["krb_principals"] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_users_secret_keeps_its_shape(world: World, family: str) -> None:
    world.judged("KojiUser", f"h-{HARMLESS}-user")
    world.judged("KojiUser", f"h-{family}-user")
    names = [f"koji-h-{one}-user-client-cert" for one in (family, HARMLESS)]
    assert head(world, "Secret", names[0]) == head(world, "Secret", names[1])
    assert set(world.kube.secret(world.namespace, names[0])) == {"tls.crt", "tls.key", "ca.crt", "client.pem"}


def test_a_task_for_such_a_builder_goes_back_to_the_hub(world: World) -> None:
    """Its pods can't be made: Kubernetes has rules of its own."""
    world.judged("KojiBuilder", "h-jinja")
    session = world.hub.session()
    task = session.makeTask("sleep", [0])
    session.assignTask(task, "h-jinja", True)

    def rejected(item: Json) -> bool:
        return condition(item, "Scheduling").get("reason") == "PodRejected"

    item = world.kube.wait_object("KojiBuilder", "h-jinja", world.namespace, rejected, SOON, "its pod is rejected")
    assert "Invalid value" in condition(item, "Scheduling")["message"]
    world.kube.wait_for(
        lambda: session.getTaskInfo(task)["host_id"] != session.getHost("h-jinja")["id"], SOON, "the task is given back"
    )
    builder_pods = world.kube.find("Pod", world.namespace, "apps.fedoraproject.org/builder=h-jinja")
    assert builder_pods == []
    session.cancelTask(task)


def test_nothing_was_evaluated_and_nothing_ran(world: World) -> None:
    for kind in TRIED:
        for family in FAMILIES:
            world.judged(kind, name_of(kind, family))
    for kind in ("ConfigMap", "Secret", "Pod", "Event", "Lease", "KojiUser", "KojiBuilder"):
        for item in world.kube.find(kind, world.namespace):
            if kind == "Secret":
                item["data"] = [base64.b64decode(value).decode("utf-8", "replace") for value in item["data"].values()]
            assert hostile.EVALUATED not in json.dumps(item), f"{kind} {item['metadata']['name']}"
    assert not Path(hostile.MARKER).exists()
    # Only what the roles make, under the names that they give it.
    parts = {"ConfigMap": ("builder", "runner"), "Secret": ("client-cert", "session")}
    for kind, ends in parts.items():
        of_builders = {f"koji-h-{family}-{end}" for family in (HARMLESS, *FAMILIES) for end in ends}
        of_users = {f"koji-h-{family}-user-client-cert" for family in (HARMLESS, *FAMILIES)}
        found = {item["metadata"]["name"] for item in world.kube.find(kind, world.namespace)}
        assert {name for name in found if name.startswith("koji-h-")} <= of_builders | of_users


def test_text_that_no_hub_can_store_is_named(world: World) -> None:
    world.refused("KojiBuilder", "h-nul").says("InvalidText", "description", r"'\x00'")


@pytest.mark.parametrize("path", BESIDE)
def test_what_kubernetes_has_against_an_object_is_said_in_its_words(world: World, path: str) -> None:
    kind, name = BESIDE[path]
    judged = world.refused("KojiBuilder", name)
    judged.says("RefusedByCluster", kind, f"koji-{name}-tasks", "is invalid")
    assert hostile.EVALUATED not in judged.message
