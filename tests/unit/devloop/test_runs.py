# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Variables, command line and input folder of a run; what its events mean."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.devloop.controller import RunFailed, dependent_changed, is_due, outcome
from tests.devloop.informers import Change
from tests.devloop.runs import Run, command_line, write_input
from tests.devloop.variables import extra_variables, to_snake
from tests.devloop.watches import Finalizer, Json, Kind, Target, Watch

WATCH = Watch(
    kind=Kind("apps.fedora-project.org", "v1", "KojiUser"),
    target=Target(Path("/opt/roles/koji_user"), is_role=True),
    reconcile_period=60,
    workers=1,
    verbosity=2,
    vars={"site": "x", "extra": "watch"},
    finalizer=Finalizer("a/b", Target(Path("/opt/end.yml"), is_role=False), {"extra": "finalizer"}),
    snake_case=False,
    mark_unsafe=True,
)
ITEM: Json = {
    "metadata": {"name": "n", "namespace": "s", "annotations": {}},
    "spec": {"textValue": "{{ x }}", "list": [1, {"deep": "d"}], "site": "from the object", "none": None, "on": True},
}


def _marked(text: str) -> Json:
    return {"__ansible_unsafe": text}


def test_variables() -> None:
    variables = extra_variables(WATCH, ITEM, finalizing=False)
    assert variables["textValue"] == _marked("{{ x }}")
    assert variables["list"] == [1, {"deep": _marked("d")}]
    assert variables["none"] is None
    assert variables["on"] is True
    assert variables["ansible_operator_meta"] == {"name": "n", "namespace": "s"}
    assert variables["_apps_fedora_project_org_kojiuser"]["metadata"]["name"] == _marked("n")
    assert variables["_apps_fedora_project_org_kojiuser_spec"]["textValue"] == _marked("{{ x }}")
    assert (variables["site"], variables["extra"]) == ("x", "watch")
    assert extra_variables(WATCH, ITEM, finalizing=True)["extra"] == "finalizer"


def test_variables_in_snake_case() -> None:
    watch = replace(WATCH, snake_case=True, mark_unsafe=False)
    item: Json = {**ITEM, "spec": {"nodeSelector": {"someLabel": "a"}, "listOf": [{"oneKey": "v"}]}}
    variables = extra_variables(watch, item, finalizing=False)
    assert variables["node_selector"] == {"some_label": "a"}
    assert variables["list_of"] == [{"one_key": "v"}]
    assert variables["_apps_fedora_project_org_kojiuser_spec"] == item["spec"]


def test_core_group() -> None:
    watch = replace(WATCH, kind=Kind("", "v1", "ConfigMap"))
    assert {"__configmap", "__configmap_spec"} <= extra_variables(watch, ITEM, finalizing=False).keys()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("var", "var"), ("var_var", "var_var"), ("appService", "app_service"), ("JSONData", "_json_data"), ("a-b", "a_b")],
)
def test_to_snake(name: str, expected: str) -> None:
    assert to_snake(name) == expected


def test_command_of_a_role() -> None:
    command = command_line(WATCH, ITEM, Path("/in"), "7", finalizing=False, environ={"ANSIBLE_GATHERING": "explicit"})
    assert " ".join(command) == (
        "ansible-runner run /in --rotate-artifacts 20 --role koji_user --roles-path /opt/roles/ --hosts localhost"
        " -i 7 -vv --role-skip-facts"
    )


def test_command_of_the_finalizer() -> None:
    annotations = {
        "ansible.sdk.operatorframework.io/max-runner-artifacts": "3",
        "ansible.sdk.operatorframework.io/verbosity": "0",
    }
    item: Json = {**ITEM, "metadata": {**ITEM["metadata"], "annotations": annotations}}
    command = command_line(WATCH, item, Path("/in"), "7", finalizing=True, environ={"ANSIBLE_GATHERING": "explicit"})
    assert " ".join(command) == "ansible-runner run /in --rotate-artifacts 3 -p /opt/end.yml -i 7"


def test_input(tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text("[]", "utf-8")
    write_input(tmp_path / "in", {"env/extravars": json.dumps({"a": 1})}, Target(playbook, is_role=False), {})
    assert json.loads((tmp_path / "in/env/extravars").read_text("utf-8")) == {"a": 1}
    assert (tmp_path / "in/project/playbook.yaml").read_text("utf-8") == "[]"
    hosts = (tmp_path / "in/inventory/hosts").read_text("utf-8")
    assert hosts == "localhost ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}"


class _Ended(Run):
    """A run whose events are known."""

    def __init__(self, *events: Json) -> None:
        super().__init__("1", Path("/nowhere"))
        for event in events:
            self._events.put_nowait(event)
        self.end()


STATS: Json = {"event": "playbook_on_stats", "event_data": {}}


def _task(event: str, action: str, result: Json | None = None, **data: object) -> Json:
    return {"event": event, "event_data": {"task": "t", "task_action": action, "res": result, **data}}


def _outcome(*events: Json) -> float | None:
    async def main() -> float | None:
        return await outcome(_Ended(*events))

    return asyncio.run(main())


def test_a_good_end() -> None:
    assert _outcome(_task("runner_on_ok", "ping", {}), STATS) is None


@pytest.mark.parametrize("action", ["requeue_after", "operator_sdk.util.requeue_after"])
def test_requeue_after(action: str) -> None:
    failed = _task("runner_on_failed", "fail", {"msg": "m"})
    assert _outcome(_task("runner_on_start", action), failed, _task("runner_on_ok", action, {"period": "1m"})) == 60


def test_requeue_after_by_another_name_means_nothing() -> None:
    assert _outcome(_task("runner_on_ok", "fedoraproject.koji.requeue_after", {"period": "1m"}), STATS) is None


@pytest.mark.parametrize("result", [{"censored": "no_log"}, {"period": "soon"}, {"period": 5}])
def test_requeue_after_without_a_period(result: Json) -> None:
    with pytest.raises(RunFailed, match="period"):
        _outcome(_task("runner_on_ok", "requeue_after", result), STATS)


def test_failures() -> None:
    with pytest.raises(RunFailed, match="t: broken"):
        _outcome(_task("runner_on_failed", "fail", {"msg": "broken"}), STATS)
    assert _outcome(_task("runner_on_failed", "fail", {"msg": "broken"}, ignore_errors=True), STATS) is None
    with pytest.raises(RunFailed, match="did not get to its end"):
        _outcome(_task("runner_on_ok", "ping", {}))


def _object(generation: int | None = None, labels: Json | None = None, **rest: object) -> Json:
    metadata: Json = {"name": "n", "labels": labels or {}, "resourceVersion": str(id(rest))}
    return {"metadata": metadata | ({} if generation is None else {"generation": generation}), **rest}


def test_due() -> None:
    assert is_due(WATCH, Change(None, _object(1)))
    assert is_due(WATCH, Change(_object(1), None))
    assert is_due(WATCH, Change(_object(1), _object(2)))
    assert not is_due(WATCH, Change(_object(1), _object(1, {"a": "b"}, status={})))
    assert is_due(WATCH, Change(_object(), _object()))


def test_due_with_a_selector() -> None:
    watch = replace(WATCH, selector={"matchLabels": {"a": "b"}})
    assert not is_due(watch, Change(None, _object(1)))
    assert is_due(watch, Change(_object(1), _object(2, {"a": "b"})))
    assert not is_due(watch, Change(_object(1, {"a": "b"}), _object(2)))


def test_dependents() -> None:
    assert not dependent_changed(Change(None, _object(1)))
    assert dependent_changed(Change(_object(1), None))
    assert not dependent_changed(Change(_object(1, status={"a": 1}), _object(1, status={"a": 2})))
    assert dependent_changed(Change(_object(1, data={"a": "1"}), _object(1, data={"a": "2"})))
    assert dependent_changed(Change(_object(1), _object(1, {"a": "b"})))
