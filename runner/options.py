# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""kojid's options, which its handlers read: kojid's defaults under kojid.conf."""

from __future__ import annotations

import configparser
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import koji
import koji.util

from runner.outcome import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOG = logging.getLogger("koji.runner")

# Names and defaults of kojid 1.36's options (docs: kojid.conf). The type of a default is the type of the option.
DEFAULTS: dict[str, Any] = {
    # the hub
    "server": None,
    "topurl": None,
    "topdir": "/mnt/koji",
    "timeout": None,
    "retry_interval": 60,
    "max_retries": 120,
    "offline_retry": True,
    "offline_retry_interval": 120,
    "use_fast_upload": True,
    "no_ssl_verify": False,
    "pkgurl": None,
    # who logs in; a pod doesn't
    "user": None,
    "password": None,
    "cert": None,
    "serverca": None,
    "krb_principal": None,
    "host_principal_format": "compile/%s@EXAMPLE.COM",
    "keytab": "/etc/kojid/kojid.keytab",
    "ccache": "/var/tmp/kojid.ccache",  # noqa: S108
    # the daemon's loop
    "sleeptime": 15,
    "maxjobs": 10,
    "minspace": 8192,
    "task_avail_delay": 300,
    "log_level": None,
    "log_timestamps": False,
    "admin_emails": None,
    "plugin": [],
    "pluginpath": "/usr/lib/koji-builder-plugins",
    # builds
    "workdir": "/var/tmp/koji",  # noqa: S108
    "mockdir": "/var/lib/mock",
    "mockuser": "kojibuilder",
    "mockpath": "/usr/bin/mock",  # no kojid.conf has it, but kojid's handlers read it
    "mockhost": "koji-linux-gnu",
    "mock_bootstrap_image": False,
    "chroot_tmpdir": "/chroot_tmpdir",
    "buildroot_basic_cleanup_delay": 120,
    "buildroot_final_cleanup_delay": 86400,
    "failed_buildroot_lifetime": 14400,
    "rpmbuild_timeout": 86400,
    "literal_task_arches": "",
    "build_arch_can_fail": False,
    "support_rpm_source_layout": True,
    "packager": "Koji",
    "vendor": "Koji",
    "distribution": "Koji",
    "yum_proxy": None,
    "maven_repo_ignore": "*.md5 *.sha1 maven-metadata*.xml _maven.repositories _remote.repositories"
    " resolver-status.properties *.lastUpdated",
    "oz_install_timeout": 0,
    "xz_options": "-z6T0",
    # sources
    "allowed_scms": "",
    "allowed_scms_use_config": True,
    "allowed_scms_use_policy": False,
    "allow_noverifyssl": False,
    "allow_password_in_scm_url": False,
    "scm_credentials_dir": None,
    # repositories
    "use_createrepo_c": True,
    "createrepo_skip_stat": True,
    "createrepo_update": True,
    "distrepo_skip_stat": False,
    "copy_old_repodata": False,
    # mail
    "smtphost": "example.com",
    "smtp_user": None,
    "smtp_pass": None,
    "from_addr": "Koji Build System <buildsys@example.com>",
}
NUMBERS_WITHOUT_DEFAULT = frozenset({"timeout"})
SPELLINGS = {"plugins": "plugin"}


class Options:
    """kojid.conf, read over defaults that may grow: an image's own kojid can know more options than this file."""

    def __init__(self, config: Path, hub_url: str) -> None:
        self._config = config
        self._given = _read(config)
        self._defaults = dict(DEFAULTS)
        self._hub_url = hub_url
        self.values = SimpleNamespace()
        self._apply()

    def add_defaults(self, more: Mapping[str, Any]) -> None:
        """Take the options of the image's kojid, whose defaults are the right ones for its handlers."""
        self._defaults.update({name: value for name, value in more.items() if name not in {"plugin", "server"}})
        self._apply()

    def warn_of_unknown(self) -> None:
        """Name what kojid.conf holds and no kojid knows (kojid itself would exit)."""
        for name in sorted(self._given):
            if name not in self._defaults and not name.startswith("RLIMIT_"):
                LOG.warning("%s: unknown option '%s'", self._config, name)

    def _apply(self) -> None:
        found = {**self._defaults, **{name: self._typed(name, text) for name, text in self._given.items()}}
        found["server"] = self._hub_url
        found["topurls"] = (found["topurl"] or "").split()
        found["topurl"] = found["topurls"][0] if found["topurls"] else None
        vars(self.values).update(found)
        koji.BASEDIR = koji.pathinfo.topdir = found["topdir"]

    def _typed(self, name: str, text: str) -> Any:
        default = self._defaults.get(name)
        try:
            if isinstance(default, bool):
                return configparser.RawConfigParser.BOOLEAN_STATES[text.lower()]
            if isinstance(default, int) or name in NUMBERS_WITHOUT_DEFAULT:
                return int(text)
        except (KeyError, ValueError):
            wanted = "yes or no" if isinstance(default, bool) else "a whole number"
            raise Problem(f"{self._config}: {name} must be {wanted}") from None
        return text.split() if name == "plugin" else text


def _read(config: Path) -> dict[str, str]:
    """Section [kojid] of kojid.conf, {} if there is no such file."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        with config.open(encoding="utf-8") as file:
            parser.read_file(file)
    except FileNotFoundError:
        return {}
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise Problem(f"{config}: can't be read as kojid.conf: {reason}") from error
    for section in parser.sections():
        if section != "kojid":
            LOG.warning("%s: unknown section [%s]", config, section)
    given = dict(parser.items("kojid")) if parser.has_section("kojid") else {}
    return {_name(key): value for key, value in given.items()}


def _name(key: str) -> str:
    # configparser lowers keys; kojid looks for RLIMIT_* in capitals.
    return key.upper() if key.startswith("rlimit_") else SPELLINGS.get(key, key)


def set_limits(options: SimpleNamespace) -> None:
    """The RLIMIT_* of kojid.conf, for this process and what it starts."""
    koji.util.setup_rlimits(vars(options), LOG)
