# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The periodic cleaning works with the hub's settings and the admin's certificate, and goes when nobody wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.devhub.manifests import config_map
from tests.e2e.kube import condition
from tests.e2e.resources import SOON

if TYPE_CHECKING:
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json

    from .site import Site

SWEEP, GC = "koji-hub-sweep", "koji-hub-gc"


def wanted(site: Site, name: str, schedule: str) -> None:
    """Wait until a CronJob is there as it should be."""
    site.kube.wait_object(
        "CronJob", name, site.namespace, lambda item: item["spec"]["schedule"] == schedule, SOON, schedule
    )


def run_now(site: Site, name: str, job: str) -> str:
    """Run what a CronJob would run; what it printed."""
    site.kube.kubectl("create", "job", job, f"--from=cronjob/{name}", "-n", site.namespace)

    def ended() -> Json | None:
        found = [
            pod for pod in site.kube.find("Pod", site.namespace, f"job-name={job}") if pod["status"]["phase"] in ENDS
        ]
        return found[0] if found else None

    pod = site.kube.wait_for(ended, SOON, f"{job} has ended")
    said = site.kube.logs(site.namespace, pod["metadata"]["name"])
    assert pod["status"]["phase"] == "Succeeded", said
    return said


ENDS = {"Succeeded", "Failed"}


def test_old_sessions_are_swept_from_the_database(site: Site, hub: Hub) -> None:
    site.apply(cleanup={"sweep_db": {"enabled": True, "schedule": "1 2 * * *"}})
    wanted(site, SWEEP, "1 2 * * *")
    hub.session().getLoggedInUser()
    site.psql("INSERT INTO sessions (user_id, start_time, update_time) VALUES (1, 1, 1)")
    fresh = int(site.psql("SELECT count(*) FROM sessions WHERE update_time > 1"))
    assert "Deleting 1 sessions" in run_now(site, SWEEP, "sweep-now")
    assert int(site.psql("SELECT count(*) FROM sessions")) == fresh


def test_koji_gc_runs_as_the_admin_with_the_sites_settings(site: Site, hub: Hub) -> None:
    site.apply(cleanup={"gc": {"enabled": True, "schedule": "3 4 * * 0"}})
    wanted(site, GC, "3 4 * * 0")
    assert "koji-gc as koji-admin, delay 5 days, actions trash,delete" in run_now(site, GC, "gc-now")
    site.kube.apply(config_map("our-gc", site.namespace, {"koji-gc.conf": "[main]\ndelay = 9 days\n", "email.tpl": ""}))
    site.apply(cleanup={"gc": {"enabled": True, "configmap": "our-gc"}})
    wanted(site, GC, "17 4 * * *")
    assert "delay 9 days, actions delete,prune,trash" in run_now(site, GC, "gc-again")


def test_settings_that_do_not_exist_are_a_warning(site: Site, hub: Hub) -> None:
    site.apply(cleanup={"gc": {"enabled": True, "configmap": "nothing"}})
    # Beside others: that this hub's data last as long as its pod.
    site.told(lambda item: "ConfigMap 'nothing'" in condition(item, "Warning").get("message", ""), "it is warned of")


def test_what_is_no_longer_wanted_goes(site: Site, hub: Hub) -> None:
    site.apply(cleanup={"sweep_db": {"enabled": True}, "gc": {"enabled": True}})
    wanted(site, SWEEP, "17 3 * * *")
    wanted(site, GC, "17 4 * * *")
    site.apply()
    for name in (SWEEP, GC):
        site.kube.wait_gone("CronJob", name, site.namespace, SOON)
