# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""kojira.conf: ours with the site's own over it, option by option, for the version that runs."""

from __future__ import annotations

import configparser
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import ini
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import kerberos
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira import options
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTION = "kojira"
FILE = "kojira.conf"
TOPDIR = "/mnt/koji"
CLIENT_PEM = "/run/kojira/client.pem"
HUB_CA = "/etc/kojira-ca/ca.crt"
CCACHE = "/tmp/kojira.ccache"  # noqa: S108  (a volume of the pod)
# It would be opened for writing; what kojira says goes to the pod's log.
NO_LOGFILE = "/dev/null"
# kojira's own 60 and 120 s are for a machine that runs for months: a pod would sleep through a hub's restart. Together
# with max_retries it is as patient as kojira: two hours.
RETRIES = {"retry_interval": "10", "max_retries": "720", "offline_retry_interval": "20"}
SLEEP = 15  # kojira's own default
ROUNDS, MARGIN = 3, 30


@dataclass
class FilesLook:
    """kojira.conf, and after how many seconds of silence kojira is not ready and is begun anew."""

    kojira_conf: str = ""
    silent_after: int = 0
    restart_after: int = 0
    warnings: list[dict[str, str]] = field(default_factory=list)


def look(spec: Mapping[str, Any], references: Mapping[str, Any], namespace: str, version: str) -> FilesLook:
    """Make the file for a hub of this version. Raises Problem."""
    return _Maker(spec, references, namespace, version).make()


class _Maker:
    def __init__(self, spec: Mapping[str, Any], references: Mapping[str, Any], namespace: str, version: str) -> None:
        self._spec = spec
        self._references = references
        self._namespace = namespace
        self._version = version
        self._new = options.hub_has_the_queue(version)
        self.found = FilesLook()

    def make(self) -> FilesLook:
        """The file."""
        merged = ini.overlaid({SECTION: self._ours()}, self._site())
        self.found.kojira_conf = ini.rendered(merged)
        self._read_back()
        return self.found

    def _ours(self) -> dict[str, str]:
        ours = {
            "server": self._references["hub_url"],
            "topdir": TOPDIR,
            "logfile": NO_LOGFILE,
            **self._login(),
            "serverca": HUB_CA,
            **RETRIES,
            **self._given(),
        }
        if not self._new:
            most, limit = options.limits(self._spec)
            ours |= {"max_repo_tasks": str(most), "repo_tasks_limit": str(limit), **options.tags(self._spec)}
        # kojira reads '%' as the beginning of another option's name.
        return {name: ini.one_line(value).replace("%", "%%") for name, value in ours.items()}

    def _login(self) -> dict[str, str]:
        """By a keytab, where there is one."""
        if not self._references.get("keytab_secret"):
            return {"cert": CLIENT_PEM}
        ccache = {"ccache": CCACHE} if self._new else {}
        return {"principal": self._references["principal"], "keytab": kerberos.KEYTAB, **ccache}

    def _given(self) -> dict[str, str]:
        """kojira_options, as this version has them."""
        found, useless = {}, []
        for name, value in (self._spec.get("kojira_options") or {}).items():
            if value in (None, "") or name in options.HUB_TAGS:
                continue
            spelled = options.ALIAS if name == "expired_repo_lifetime" and not self._new else name
            if not options.takes(spelled, new=self._new):
                useless.append(name)
                continue
            found[spelled] = str(value).lower() if isinstance(value, bool) else str(value)
        if useless:
            self._warn(
                "KojiraOptionIgnored",
                f"kojira_options: kojira {self._version} has no {', '.join(useless)}, so it is left out; remove it",
            )
        return found

    def _site(self) -> ini.Sections:
        """The site's file, checked: kojira ends at what it does not know."""
        sections = ini.parse(self._references["settings"].get(FILE, ""))
        for section in sections:
            if section != SECTION:
                raise self._wrong(f"section [{section}]: kojira ends at any other than [{SECTION}]; remove it")
        ignored = []
        for name, value in sections.get(SECTION, {}).items():
            lower = name.lower()
            if options.ignores(lower, new=self._new):
                ignored.append(name)
            elif not options.takes(lower, new=self._new):
                raise self._wrong(f"kojira {self._version} has no option {name}, and would end at it; remove it")
            try:
                options.check(lower, value, new=self._new)
            except options.OptionError as error:
                raise self._wrong(error) from error
        if ignored:
            self._warn(
                "KojiraOptionIgnored",
                f"{', '.join(ignored)} in {FILE} of ConfigMap '{self._configmap()}' does nothing in kojira "
                f"{self._version}; remove it",
            )
        return sections

    def _read_back(self) -> None:
        """As kojira reads it."""
        parser = configparser.ConfigParser()
        try:
            parser.read_string(self.found.kojira_conf)
            values = dict(parser.items(SECTION))
        except configparser.Error as error:
            raise self._wrong(" ".join(str(error).split())) from error
        round_ = int(values.get("sleeptime", SLEEP)) + int(values["retry_interval"])
        self.found.silent_after = ROUNDS * max(round_, 1) + MARGIN
        self.found.restart_after = 2 * self.found.silent_after

    def _configmap(self) -> str:
        return given(self._spec.get("configmap"))

    def _wrong(self, why: object) -> Problem:
        where = f"ConfigMap '{self._configmap()}' in namespace '{self._namespace}', key '{FILE}'"
        return Problem("InvalidConfigMap", f"{where}: {why}")

    def _warn(self, reason: str, message: str) -> None:
        self.found.warnings.append({"reason": reason, "message": message})
