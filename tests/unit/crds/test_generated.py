# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The generators: what is committed is what they make, and what they do with wrong input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import crds, generated, kubernetes_types, reference

if TYPE_CHECKING:
    from pathlib import Path


def test_committed_crds_are_up_to_date() -> None:
    assert generated.update(crds.files(), check=True, command=crds.COMMAND) == 0
    assert set(crds.BASES.iterdir()) == set(crds.files())


def test_committed_reference_is_up_to_date() -> None:
    assert generated.update(reference.files(), check=True, command=reference.COMMAND) == 0
    assert set(reference.FOLDER.glob("koji*.md")) == set(reference.files())


def test_check_names_the_file_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generated, "ROOT", tmp_path)
    made = tmp_path / "folder" / "made.yaml"
    assert generated.update({made: "new\n"}, check=True, command="make it") == 1
    assert not made.exists()
    assert "folder/made.yaml is out of date; run: make it" in capsys.readouterr().err
    assert generated.update({made: "new\n"}, check=False, command="make it") == 0
    assert made.read_text() == "new\n"
    assert generated.update({made: "new\n"}, check=True, command="make it") == 0


def test_the_extract_holds_what_is_needed_and_no_more() -> None:
    extract = kubernetes_types.extract()
    assert extract["version"] == "v1.34.4"
    assert kubernetes_types.reachable(extract["definitions"], crds.kubernetes_roots()) == extract["definitions"]


def test_kubernetes_types_are_whole() -> None:
    affinity = kubernetes_types.expand("io.k8s.api.core.v1.Affinity")
    terms = affinity["properties"]["podAntiAffinity"]["properties"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms["type"] == "array"
    assert terms["x-kubernetes-list-type"] == "atomic"
    assert terms["items"]["required"] == ["topologyKey"]
    assert terms["items"]["properties"]["labelSelector"]["properties"]["matchLabels"]["type"] == "object"


def test_a_quantity_is_a_number_or_text() -> None:
    limits = kubernetes_types.expand("io.k8s.api.core.v1.ResourceRequirements")["properties"]["limits"]
    quantity = limits["additionalProperties"]
    assert quantity["x-kubernetes-int-or-string"] is True
    assert "type" not in quantity


def test_only_takes_some_properties_and_knows_them() -> None:
    probe = kubernetes_types.expand("io.k8s.api.core.v1.Probe", ["periodSeconds"])
    assert list(probe["properties"]) == ["periodSeconds"]
    toleration = kubernetes_types.expand("io.k8s.api.core.v1.VolumeMount", ["name", "readOnly"])
    assert toleration["required"] == ["name"]
    with pytest.raises(KeyError, match="no such properties: period"):
        kubernetes_types.expand("io.k8s.api.core.v1.Probe", ["period"])


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(KeyError, match=r"io\.k8s\.api\.core\.v1\.Nonsense"):
        kubernetes_types.expand("io.k8s.api.core.v1.Nonsense")
    with pytest.raises(KeyError, match=r"no type 'nonsense' in shared/types\.yaml"):
        crds.expand({"$include": "nonsense"})


def test_what_stands_beside_a_directive_wins() -> None:
    expanded = crds.expand({"$include": "secret_name", "description": "Mine.", "maxLength": 10})
    assert (expanded["description"], expanded["maxLength"], expanded["type"]) == ("Mine.", 10, "string")
    assert list(expanded)[:2] == ["description", "type"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("Names, e.g. this, of things. More", "Names, e.g. this, of things."),
        ("Host path More info: https://kubernetes.io/x", "Host path."),
        ("Of 1.34 and later", "Of 1.34 and later."),
        ("List\n\nMore", "List."),
    ],
)
def test_first_sentence(text: str, first: str) -> None:
    assert kubernetes_types.first_sentence(text) == first


def test_reference_shows_limits_defaults_and_types() -> None:
    entry = {"type": "object", "description": "One.", "properties": {"x": {"type": "boolean", "description": "X."}}}
    schema = {
        "type": "object",
        "required": ["must"],
        "properties": {
            "count": {"type": "integer", "description": "How many.", "minimum": 1, "maximum": 9, "default": 3},
            "must": {"type": "string", "description": "Which.", "enum": ["a", "b"]},
            "size": {"$include": "quantity", "description": "How big."},
            "near": {"$include": "affinity"},
            "list": {"type": "array", "description": "Many.", "items": entry},
        },
    }
    rows = {field: rest for field, *rest in reference.rows(crds.expand(schema))}
    assert rows["count"] == ["integer", "`3`", "How many. At least 1. At most 9."]
    assert rows["must"] == ["string", "required", "Which. One of `a`, `b`."]
    assert rows["size"][0] == "quantity"
    assert rows["near"][0].startswith("[Affinity](https://kubernetes.io/docs/")
    assert "near.nodeAffinity" not in rows
    assert rows["list[].x"] == ["boolean", "", "X."]
