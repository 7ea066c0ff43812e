# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The options of kojira.conf, and which kojira takes which: it ends at once when there is one that it does not know.

Koji 1.35 has moved the making of repositories into the hub. What limits it is in hub.conf since then, and kojira.conf
has other options for the deleting of old ones.
"""

from __future__ import annotations

import configparser
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.ini import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

HUB_HAS_THE_QUEUE = (1, 35)

INTEGER = (
    "dist_repo_lifetime",
    "max_delete_processes",
    "max_retries",
    "offline_retry_interval",
    "retry_interval",
    "sleeptime",
)
BOOLEAN = (
    "check_external_repos",
    "debug",
    "ignore_other_volumes",
    "ignore_stray_repos",
    "no_ssl_verify",
    "offline_retry",
    "verbose",
)
TEXT = ("cert", "keytab", "logfile", "password", "principal", "server", "serverca", "topdir", "user")
NEW_INTEGER = ("expired_repo_lifetime", "recheck_period", "reference_recheck_period", "repo_lifetime")
NEW_TEXT = ("ccache",)
OLD_INTEGER = ("max_repo_tasks", "max_repo_tasks_maven", "no_repo_effective_age", "repo_tasks_limit")
OLD_TEXT = ("debuginfo_tags", "ignore_tags", "queue_file", "separate_source_tags", "source_tags")
# Both take it; the newer one prefers expired_repo_lifetime.
ALIAS = "deleted_repo_lifetime"
# Accepted, and without effect: of every version; of the newer one too.
LEGACY = ("delete_batch_size", "recent_tasks_lifetime", "with_src")

# What a Kojira says -> hub.conf of a hub that has the queue, with the hub's own default.
HUB_TAGS = {
    "debuginfo_tags": "DebuginfoTags",
    "source_tags": "SourceTags",
    "separate_source_tags": "SeparateSourceTags",
}
HUB_DEFAULTS = {"MaxRepoTasks": "10", **dict.fromkeys(HUB_TAGS.values(), "")}
DEFAULT_TASKS = 10
EVERY_TAG = "*"

_NUMBERS = re.compile(r"\d+")


class OptionError(ValueError):
    """An option at which kojira would end; the message says which and what is wanted."""


def number(version: str) -> tuple[int, ...]:
    """A version's parts as numbers: 1.35.3 -> (1, 35, 3)."""
    return tuple(int(part) for part in _NUMBERS.findall(version))


def hub_has_the_queue(version: str) -> bool:
    """Whether the hub of this version makes the newRepo tasks, by itself and by its own limits."""
    return number(version)[:2] >= HUB_HAS_THE_QUEUE


def takes(name: str, *, new: bool) -> bool:
    """Whether kojira takes an option and does something by it."""
    own = (*NEW_INTEGER, *NEW_TEXT) if new else (*OLD_INTEGER, *OLD_TEXT)
    return name in (*INTEGER, *BOOLEAN, *TEXT, ALIAS, *own)


def ignores(name: str, *, new: bool) -> bool:
    """Whether kojira accepts an option without doing anything by it."""
    return name in LEGACY or (new and name in (*OLD_INTEGER, *OLD_TEXT))


def check(name: str, value: str, *, new: bool) -> None:
    """Raise OptionError if kojira could not start with this value of an option that it takes."""
    if name in (*INTEGER, ALIAS, *(NEW_INTEGER if new else OLD_INTEGER)):
        try:
            int(value)
        except ValueError:
            raise OptionError(f"{name} is '{value}'; wanted is a whole number") from None
    elif name in BOOLEAN and value.lower() not in configparser.RawConfigParser.BOOLEAN_STATES:
        raise OptionError(f"{name} is '{value}'; wanted is true or false")


def tags(spec: Mapping[str, Any]) -> dict[str, str]:
    """The patterns of tags whose repositories have more in them, without those that are unset."""
    options = spec.get("kojira_options") or {}
    found = {name: " ".join(one_line(options.get(name) or "").split()) for name in HUB_TAGS}
    if spec.get("src") == "yes":
        found["source_tags"] = EVERY_TAG
    return {name: value for name, value in found.items() if value}


def limits(spec: Mapping[str, Any]) -> tuple[int, int]:
    """max_repo_tasks and repo_tasks_limit."""
    return int(spec.get("max_repo_tasks") or DEFAULT_TASKS), int(spec.get("repo_tasks_limit") or DEFAULT_TASKS)


def hub_options(spec: Mapping[str, Any]) -> dict[str, str]:
    """What a Kojira asks of hub.conf. The hub's own defaults are left out: they need no restart of the hub."""
    found = {HUB_TAGS[name]: value for name, value in tags(spec).items()}
    found["MaxRepoTasks"] = str(min(limits(spec)))
    return {name: value for name, value in sorted(found.items()) if value != HUB_DEFAULTS[name]}
