# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Why the API server does not take a task pod, in a condition's words, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import Settings
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError

QUOTA, REJECTED, FORBIDDEN = "QuotaExceeded", "PodRejected", "SecurityProfileForbidden"
REFUSALS = frozenset({QUOTA, REJECTED, FORBIDDEN})  # the API server can be asked whether they are over
# Pod Security levels, from the one that allows most; and the one that each security profile's pods fit.
LEVELS = ("privileged", "baseline", "restricted")
PROFILE_LEVELS = {"userns": "baseline", "sysadmin": "privileged", "restricted": "restricted"}


def rejection(error: ClusterError, settings: Settings) -> tuple[str, str]:
    """Reason and message of a pod or Secret that the API server did not take."""
    if error.quota:
        return QUOTA, error.message
    if level := error.pod_security_level:
        return FORBIDDEN, forbidden_profile(settings, level, error.message)
    return REJECTED if error.template else error.reason, error.message


def forbidden_profile(settings: Settings, level: str, said: str) -> str:
    """A namespace that enforces a stricter Pod Security level than the builder's profile fits: what to change."""
    profile = settings.security_profile
    fits = PROFILE_LEVELS.get(profile, "privileged")
    head = f"namespace {settings.namespace} enforces Pod Security {level}"
    label = f"label the namespace pod-security.kubernetes.io/enforce={fits}"
    if LEVELS.index(level) <= LEVELS.index(fits):
        # Its own level, so it is something that the site has added.
        return f"{head}, which security profile {profile} fits, but not with what the KojiBuilder adds to it: {said}"
    others = [other for other, needs in PROFILE_LEVELS.items() if LEVELS.index(needs) >= LEVELS.index(level)]
    note = {"restricted": ", which can't run mock"}
    change = " or ".join(f"spec.security_profile to {other}{note.get(other, '')}" for other in others)
    return (
        f"{head}, which security profile {profile} does not fit: {label}, or set {change}. The API server said: {said}"
    )
