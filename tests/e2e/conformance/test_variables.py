# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a role sees of the object, and who owns what it makes."""

from .conftest import API_VERSION, RUN, Trial

TEMPLATE = "{{ lookup('ansible.builtin.pipe', 'echo evaluated') }}"


def test_variables(trial: Trial) -> None:
    """Spec keys, ansible_operator_meta, the whole object and its spec; `-` and `.` of the group become `_`."""
    trial.make("Probe", "variables", {"text": "plain", "camelCase": "kept"})
    (run, *_) = trial.wait("variables", 1, RUN)
    assert run["name"] == run["whole_name"] == "variables"
    assert run["namespace"] == trial.namespace
    assert run["text"] == "plain"
    assert run["camel"] == "kept"
    assert run["whole_spec"] == {"text": "plain", "camelCase": "kept"}
    assert run["finalizing"] in {False, "False", "false"}


def test_marked_unsafe(trial: Trial) -> None:
    """With markUnsafe a template in an object is text, at every depth and in the whole object."""
    trial.make("Probe", "unsafe", {"text": TEMPLATE, "camelCase": {"deep": [TEMPLATE]}})
    (run, *_) = trial.wait("unsafe", 1, RUN)
    assert run["text"] == TEMPLATE
    assert run["camel"] == {"deep": [TEMPLATE]}
    assert run["whole_spec"] == {"text": TEMPLATE, "camelCase": {"deep": [TEMPLATE]}}


def test_without_the_marks(trial: Trial) -> None:
    """Without them it is evaluated, and keys are renamed at every depth: why our watches set both."""
    trial.make("Plain", "trusting", {"text": TEMPLATE, "camelCase": {"nodeSelector": "x"}})
    (run, *_) = trial.wait("trusting", 1, RUN)
    assert run["text"] == "evaluated"
    assert run["camel"] == {"node_selector": "x"}


def test_owners(trial: Trial) -> None:
    """A POST gets an owner in the same namespace, annotations elsewhere; a server-side apply gets neither."""
    kube = trial.kube
    probe = trial.make("Probe", "owner", {"dependents": True, "elsewhere": "default"})
    trial.wait("owner", 1, RUN, "end")
    try:
        for kind, name in (("ConfigMap", "owner-posted"), ("Secret", "owner-blacklisted")):
            item = kube.get(kind, name, trial.namespace)
            assert item is not None
            assert item["metadata"]["ownerReferences"] == [
                {"apiVersion": API_VERSION, "kind": "Probe", "name": "owner", "uid": probe["metadata"]["uid"]}
            ]
        applied = kube.get("ConfigMap", "owner-applied", trial.namespace)
        assert applied is not None
        assert "ownerReferences" not in applied["metadata"]
        elsewhere = kube.get("ConfigMap", "owner-elsewhere", "default")
        assert elsewhere is not None
        assert "ownerReferences" not in elsewhere["metadata"]
        annotations = elsewhere["metadata"]["annotations"]
        assert annotations["operator-sdk/primary-resource"] == f"{trial.namespace}/owner"
        assert annotations["operator-sdk/primary-resource-type"] == "Probe.conformance.koji-operator.test"
    finally:
        kube.delete("ConfigMap", "owner-elsewhere", "default")


def test_status_is_not_written(trial: Trial) -> None:
    """With manageStatus: false the status is ours alone."""
    trial.make("Probe", "status", {})
    trial.wait("status", 1, RUN, "end")
    trial.assert_quiet("status", 1)
    item = trial.get("Probe", "status")
    assert item is not None
    assert "status" not in item
