# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The periodic cleaning is off unless asked for, and goes when it no longer is."""

from __future__ import annotations

from typing import Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.cleanup import CleanupLook, look
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names

from tests.unit.resources.cluster import Objects, resource

BOTH = {"sweep_db": {"enabled": True}, "gc": {"enabled": True, "schedule": "@weekly"}}


def looked(objects: Objects, **cleanup: Any) -> CleanupLook:
    hub = resource("KojiHub", "hub", cleanup=cleanup)
    return look(hub["spec"], Names(hub), objects)


def cron_job(objects: Objects, name: str, owner: str = "uid-KojiHub-hub") -> None:
    objects.add("CronJob", name, metadata={"ownerReferences": [{"uid": owner}]})


def test_nothing_is_cleaned_unless_asked_for() -> None:
    found = looked(Objects())
    assert (found.templates, found.objects, found.remove) == ([], [], [])


def test_what_is_asked_for_runs_when_the_resource_says() -> None:
    found = looked(Objects(), **BOTH)
    assert found.templates == ["sweep_db.cronjob.yaml.j2", "gc.cronjob.yaml.j2"]
    assert found.objects == [("CronJob", "koji-hub-sweep"), ("CronJob", "koji-hub-gc")]
    assert (found.sweep_db_schedule, found.gc_schedule) == ("17 3 * * *", "@weekly")


def test_what_is_no_longer_asked_for_goes_unless_it_is_somebody_elses() -> None:
    objects = Objects()
    cron_job(objects, "koji-hub-sweep")
    cron_job(objects, "koji-hub-gc", owner="another")
    assert [item["metadata"]["name"] for item in looked(objects).remove] == ["koji-hub-sweep"]
    assert looked(objects, **BOTH).remove == []


def test_without_settings_koji_gc_prunes_nothing_and_never_reads_the_images_own() -> None:
    args = looked(Objects(), **BOTH).gc_args
    assert {"--config-file=/dev/null", "--action=trash,delete", "--no-mail", "--email-template=/dev/null"} <= set(args)
    assert "--server=https://koji-hub.koji.svc:8443/kojihub" in args


def test_the_sites_settings_are_mounted_and_missing_ones_are_named() -> None:
    objects, gc = Objects(), {"enabled": True, "configmap": "gc"}
    [missing] = looked(objects, gc=gc).warnings
    assert "ConfigMap 'gc' in namespace 'koji' (cleanup.gc.configmap) does not exist" in missing["message"]
    objects.add("ConfigMap", "gc", {"other": ""})
    [lacking] = looked(objects, gc=gc).warnings
    assert "has no key 'koji-gc.conf'" in lacking["message"]
    objects.add("ConfigMap", "gc", {"koji-gc.conf": "[main]\n"})
    found = looked(objects, gc=gc)
    assert found.warnings == []
    assert "--config-file=/etc/koji-operator-gc/koji-gc.conf" in found.gc_args
    assert not any(arg.startswith("--action") for arg in found.gc_args)
    assert not any(arg.startswith("--email-template") for arg in found.gc_args)
    objects.add("ConfigMap", "gc", {"koji-gc.conf": "[main]\n", "email.tpl": "Dear $owner\n"})
    assert "--email-template=/etc/koji-operator-gc/email.tpl" in looked(objects, gc=gc).gc_args
    assert found.gc_volumes == [{"name": "settings", "configMap": {"name": "gc"}}]


def test_the_hubs_service_does_not_find_the_cleaners() -> None:
    names = Names(resource("KojiHub", "hub"))
    assert not names.selector.items() <= looked(Objects(), **BOTH).pod_labels.items()
