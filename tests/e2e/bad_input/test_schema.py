# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the API server itself refuses, by the CRDs' rules: a hostile string gets in only where any text is meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml
from openshift.dynamic.exceptions import DynamicApiError

from tests.e2e.operator import CHECKOUT
from tests.e2e.resources import resource

from . import hostile

if TYPE_CHECKING:
    from tests.e2e.kube import Json, Kube

    from .conftest import Shared
    from .world import World

KINDS = ("KojiHub", "KojiWeb", "Kojira", "KojiBuilder", "KojiUser")
WITH_A_ROLE = {watch["kind"] for watch in yaml.safe_load((CHECKOUT / "watches.yaml").read_text("utf-8"))}
# Either of these, not both: a rule that isn't about strings.
ALTERNATIVES = ("spec.pod_disruption_budget.minAvailable", "spec.pod_disruption_budget.maxUnavailable")
UNCHECKED = "<nil>"  # the API server's field for "further rules were not looked at"


@pytest.fixture(scope="module", autouse=True)
def _next(shared: Shared) -> None:
    """The next file's builders get ready meanwhile."""


def refusals(kube: Kube, item: Json) -> dict[str, str]:
    """Field -> message of everything that the API server has against creating an object; nothing is created."""
    resources = kube.resource(item["kind"], item["apiVersion"])
    try:
        kube.dynamic.create(resources, body=item, namespace=item["metadata"]["namespace"], dry_run="All")
    except DynamicApiError as error:
        status = json.loads(error.body)
        assert status["reason"] == "Invalid", status
        return {cause["field"]: cause["message"] for cause in status["details"]["causes"]}
    return {}


@pytest.mark.parametrize("kind", KINDS)
def test_every_string_field_takes_hostile_text_or_refuses_it_as_its_schema_says(
    kube: Kube, world: World, kind: str
) -> None:
    schema = hostile.spec_schema(kind)
    places = {leaf.path for leaf in hostile.leaves(schema)}
    for family, texts in hostile.FAMILIES.items():
        tried: set[str] = set()
        for left_out in ALTERNATIVES:
            taken = hostile.fill(schema, hostile.accepted(texts), left_out)
            assert refusals(kube, resource(kind, "hostile", world.namespace, **taken.spec)) == {}, family
            tried |= taken.texts.keys()

        # A rule on a map's keys is looked at only when there is nothing else to refuse.
        with_rule = {leaf.path for leaf in hostile.leaves(schema) if leaf.path.endswith("{key}") and leaf.schema}
        for only in (places - with_rule, *({path} for path in with_rule)):
            wrong = hostile.fill(schema, hostile.refused(texts, only))
            said = refusals(kube, resource(kind, "hostile", world.namespace, **wrong.spec))
            assert said.keys() - {UNCHECKED} == set(wrong.where.values()), family
            tried |= wrong.texts.keys()
        assert tried == places, f"{family}: not every field was tried"


def test_max_jobs_0_is_refused_with_a_message(world: World) -> None:
    said = refusals(world.kube, resource("KojiBuilder", "none", world.namespace, max_jobs=0))
    assert said["spec.max_jobs"] == ("Invalid value: 0: spec.max_jobs in body should be greater than or equal to 1")
    with pytest.raises(AssertionError, match=r"spec\.max_jobs.*greater than or equal to 1"):
        world.kube.kubectl(
            "apply", "-f", "-", stdin=json.dumps(resource("KojiBuilder", "none", world.namespace, max_jobs=0))
        )
    assert world.kube.get("KojiBuilder", "none", world.namespace) is None
