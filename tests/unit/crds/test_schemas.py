# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Rules that every schema of every CRD keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator  # type: ignore[import-untyped]

from tools.generated import ROOT

from .schemas import CRDS, KINDS, Node, children, nodes, root, unknown, version, with_defaults

DRAFTS = sorted((Path(__file__).parent / "drafts").glob("*.yaml"))
SAMPLES = sorted((ROOT / "config" / "samples").glob("apps_*.yaml"))
# kubectl apply keeps the whole object in an annotation, and all annotations together have this limit (256 KiB).
MAX_ANNOTATIONS = 262144
ALIASES = {
    *("hub_host", "koji_hub_url", "host_name", "koji_hub_user", "hub_username"),
    *("cacert_secret", "client_cert_secret", "ca_secret_name", "client_secret_name"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def resources(paths: list[Path]) -> list[Any]:
    """The resources of ours in some files, as test parameters."""
    return [
        pytest.param(item, id=f"{path.stem}-{item['kind']}")
        for path in paths
        for item in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if item["kind"] in CRDS
    ]


def spelled(found: list[Node]) -> list[str]:
    return [node.path for node in found]


def test_the_five_kinds_are_there() -> None:
    assert KINDS == ["KojiBuilder", "KojiHub", "KojiUser", "KojiWeb", "Kojira"]
    assert {CRDS[kind]["metadata"]["name"] for kind in KINDS} == {
        f"{plural}.apps.fedoraproject.org"
        for plural in ("kojibuilders", "kojihubs", "kojiras", "kojiusers", "kojiwebs")
    }
    short = [name for kind in KINDS for name in CRDS[kind]["spec"]["names"]["shortNames"]]
    assert len(short) == len(set(short)) == len(KINDS)


@every_kind
def test_names_scope_and_subresources(kind: str) -> None:
    spec = CRDS[kind]["spec"]
    assert spec["names"]["categories"] == ["koji"]
    assert spec["scope"] == "Namespaced"
    assert version(kind)["subresources"]["status"] == {}
    assert ("scale" in version(kind)["subresources"]) == (kind in {"KojiBuilder", "KojiHub", "KojiWeb"})


@every_kind
def test_everything_has_a_description_with_a_short_first_sentence(kind: str) -> None:
    assert spelled([node for node in nodes(kind) if not node.schema.get("description")]) == []
    first = re.compile(r"[.:](\s|$)")
    long = [
        node.path
        for node in nodes(kind)
        if node.ours and len(first.split(node.schema["description"], maxsplit=1)[0]) > 125
    ]
    assert long == []


@every_kind
def test_nothing_is_left_of_the_generator_and_nothing_unknown_is_kept(kind: str) -> None:
    text = json.dumps(CRDS[kind])
    for word in (
        "preserve-unknown-fields",
        "preserveUnknownFields",
        "$ref",
        "$include",
        "$kubernetes",
        "$type",
        "$only",
    ):
        assert word not in text


@every_kind
def test_every_node_says_its_type(kind: str) -> None:
    untyped = [node for node in nodes(kind) if "type" not in node.schema]
    assert spelled([node for node in untyped if not node.schema.get("x-kubernetes-int-or-string")]) == []


@every_kind
def test_an_object_says_what_is_in_it(kind: str) -> None:
    """An object without properties would lose all it holds."""
    empty = [node for node in nodes(kind) if node.schema.get("type") == "object" and not dict(children(node.schema))]
    assert spelled(empty) == []


@every_kind
def test_lists_say_how_they_are_merged(kind: str) -> None:
    for node in nodes(kind):
        if node.schema.get("type") != "array":
            continue
        items, merged = node.schema["items"], node.schema.get("x-kubernetes-list-type")
        if items.get("type") == "object" or node.ours:
            assert merged in {"atomic", "set", "map"}, node.path
        if merged == "set":
            assert items["type"] != "object", node.path
        if merged == "map":
            for key in node.schema["x-kubernetes-list-map-keys"]:
                assert key in items["required"] or "default" in items["properties"][key], f"{node.path}: {key}"


@every_kind
def test_what_a_person_writes_is_bounded(kind: str) -> None:
    """Without limits the rules' cost can't be estimated, and one resource could fill etcd."""
    for node in nodes(kind):
        if not (node.ours and node.path.startswith("spec")):
            continue
        kept, type_ = node.schema, node.schema.get("type")
        if type_ == "string":
            assert "maxLength" in kept or "enum" in kept, node.path
        if type_ == "array":
            assert "maxItems" in kept, node.path
        if type_ == "object" and "additionalProperties" in kept:
            assert "maxProperties" in kept, node.path
        if type_ == "integer":
            assert "minimum" in kept, node.path


@every_kind
def test_patterns_cover_the_whole_value(kind: str) -> None:
    for node in nodes(kind):
        pattern = node.schema.get("pattern")
        if pattern is not None:
            re.compile(pattern)
            assert pattern.startswith("^"), node.path
            assert pattern.endswith("$"), node.path


@every_kind
def test_our_fields_are_snake_case(kind: str) -> None:
    """Except observedGeneration, which is metav1's, and the options, which are called as in Koji's own files."""
    names = {
        node.path
        for node in nodes(kind)
        if node.ours and not re.search(r"_options\.|\.(observedGeneration)$", node.path)
        if not re.fullmatch(r"[a-z0-9_.{}\[\]]+", node.path)
    }
    assert names == set()


@every_kind
def test_defaults_are_valid(kind: str) -> None:
    for node in nodes(kind):
        if "default" in node.schema:
            filled = with_defaults(node.schema["default"], node.schema)
            errors = [error.message for error in Draft4Validator(node.schema).iter_errors(filled)]
            assert errors == [], node.path


@every_kind
def test_a_field_with_an_alias_has_no_default(kind: str) -> None:
    """A default could not be told from a value, and would contradict the alias."""
    assert [
        node.path for node in nodes(kind) if node.path.rpartition(".")[2] in ALIASES and "default" in node.schema
    ] == []


@every_kind
def test_an_empty_spec_is_valid(kind: str) -> None:
    spec = root(kind)["properties"]["spec"]
    assert "required" not in spec
    assert not list(Draft4Validator(spec).iter_errors(with_defaults({}, spec)))


@every_kind
def test_rules_say_what_is_wrong_and_where(kind: str) -> None:
    rules = [
        rule
        for node in [Node("", root(kind), ours=True), *nodes(kind)]
        for rule in node.schema.get("x-kubernetes-validations", [])
    ]
    assert "self.metadata.name.size() <= 40" in [rule["rule"] for rule in rules]
    for rule in rules:
        assert len(rule["message"]) > 20
        assert "\n" not in rule["message"]


@every_kind
def test_printer_columns_show_fields_that_exist(kind: str) -> None:
    paths = {node.path for node in nodes(kind)} | {"metadata.creationTimestamp"}
    columns = version(kind)["additionalPrinterColumns"]
    for column in columns:
        path = re.sub(r"\[\?\(@\.type==\"[A-Za-z]+\"\)\]", "[]", column["jsonPath"]).removeprefix(".")
        assert path in paths, column
    assert {"Ready", "Reason", "Age"} <= {column["name"] for column in columns if not column.get("priority")}
    assert {column.get("priority", 0) for column in columns} == {0, 1}


@every_kind
def test_conditions_are_a_list_map_by_type(kind: str) -> None:
    conditions = root(kind)["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert set(conditions["items"]["properties"]) == {
        *("type", "status", "observedGeneration", "lastTransitionTime", "reason", "message")
    }


@every_kind
def test_it_fits_into_kubectl_s_annotation(kind: str) -> None:
    assert len(json.dumps(CRDS[kind], separators=(",", ":"))) < MAX_ANNOTATIONS


@pytest.mark.parametrize("item", resources(DRAFTS + SAMPLES))
def test_drafts_and_samples_are_valid(item: dict[str, Any]) -> None:
    schema = root(item["kind"])["properties"]["spec"]
    assert list(unknown(item["spec"], schema, "spec")) == []
    errors = Draft4Validator(schema).iter_errors(with_defaults(item["spec"], schema))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_there_is_a_sample_of_every_kind() -> None:
    assert sorted(parameter.values[0]["kind"] for parameter in resources(SAMPLES)) == KINDS
