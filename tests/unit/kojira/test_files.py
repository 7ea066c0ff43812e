# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""kojira.conf, read by the program itself, which ends at what it does not know."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import ini
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira import files
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://koji-hub.koji.svc:8443/kojihub"
NEW, OLD = "1.35.3", "1.34.3"
EVERY_OPTION: dict[str, Any] = {
    "repo_lifetime": 1,
    "dist_repo_lifetime": 2,
    "expired_repo_lifetime": 3,
    "recheck_period": 4,
    "reference_recheck_period": 5,
    "sleeptime": 6,
    "retry_interval": 7,
    "max_retries": 8,
    "max_delete_processes": 9,
    "check_external_repos": False,
    "ignore_stray_repos": True,
    "ignore_other_volumes": True,
    "ignore_tags": "x-*",
    "debuginfo_tags": "d-*",
    "source_tags": "s-*",
    "separate_source_tags": "p-*",
}


def made(spec: dict[str, Any] | None = None, site: str = "", version: str = NEW) -> files.FilesLook:
    settings = {"kojira.conf": site} if site else {}
    spec = {**(spec or {}), **({"configmap": "site"} if site else {})}
    return files.look(spec, {"hub_url": URL, "settings": settings}, "koji", version)


def refused(site: str, version: str = NEW) -> str:
    with pytest.raises(Problem) as caught:
        made(site=site, version=version)
    assert caught.value.reason == "InvalidConfigMap"
    assert "ConfigMap 'site' in namespace 'koji', key 'kojira.conf'" in caught.value.message
    return caught.value.message


def read(found: files.FilesLook, tmp_path: Path) -> dict[str, Any]:
    """The file's options as the program has read them."""
    file = tmp_path / "kojira.conf"
    file.write_text(found.kojira_conf, "utf-8")
    program = f"{sysconfig.get_path('scripts')}/kojira"
    done = subprocess.run(
        [sys.executable, program, "--config", str(file), "--show-config"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "it warns of options that it does not use"
    options: dict[str, Any] = ast.literal_eval(done.stdout)
    return options


def test_by_default_it_names_the_hub_and_retries_soon(tmp_path: Path) -> None:
    found = read(made(), tmp_path)
    assert (found["server"], found["topdir"], found["logfile"]) == (URL, "/mnt/koji", "/dev/null")
    assert (found["cert"], found["serverca"]) == ("/run/kojira/client.pem", "/etc/kojira-ca/ca.crt")
    assert (found["retry_interval"], found["max_retries"], found["sleeptime"]) == (10, 720, 15)


def test_with_a_keytab_it_logs_in_by_kerberos(tmp_path: Path) -> None:
    references = {"hub_url": URL, "settings": {}, "principal": "kojira@X", "keytab_secret": "keys"}
    found = read(files.look({}, references, "koji", NEW), tmp_path)
    assert (found["principal"], found["keytab"], found["cert"]) == ("kojira@X", "/etc/koji-krb5/krb5.keytab", None)
    assert found["ccache"] == files.CCACHE
    assert "ccache" not in files.look({}, references, "koji", OLD).kojira_conf


def test_every_option_of_the_resource_reaches_it(tmp_path: Path) -> None:
    found = read(made({"kojira_options": EVERY_OPTION}), tmp_path)
    for name, value in EVERY_OPTION.items():
        if not name.endswith("_tags"):
            assert found[name] == value, name
    assert (found["source_tags"], found["debuginfo_tags"]) == ("", ""), "they are in hub.conf"


def test_older_ones_have_their_own_options() -> None:
    found = made({"kojira_options": EVERY_OPTION, "src": "no", "max_repo_tasks": 3, "repo_tasks_limit": 4}, version=OLD)
    lines = found.kojira_conf.splitlines()
    assert {"max_repo_tasks = 3", "repo_tasks_limit = 4", "deleted_repo_lifetime = 3", "source_tags = s-*"} <= set(
        lines
    )
    assert {"debuginfo_tags = d-*", "separate_source_tags = p-*", "ignore_tags = x-*"} <= set(lines)
    [warning] = found.warnings
    assert "repo_lifetime, recheck_period, reference_recheck_period" in warning["message"]
    assert "\nrepo_lifetime" not in found.kojira_conf
    assert "source_tags = *" in made({"src": "yes"}, version=OLD).kojira_conf


def test_the_sites_options_win_whatever_their_case(tmp_path: Path) -> None:
    found = read(made({"kojira_options": {"sleeptime": 5}}, "[kojira]\nSleepTime = 9\nverbose = yes\n"), tmp_path)
    assert (found["sleeptime"], found["verbose"]) == (9, True)


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ("[kojira]\nnonsense = 1\n", "no option nonsense"),
        ("[kojira]\nsleeptime = soon\n", "wanted is a whole number"),
        ("[kojira]\nverbose = maybe\n", "wanted is true or false"),
        ("[kojira]\n[other]\n", "section [other]"),
        ("[kojira]\nserver = 50%\n", "'%'"),
        ("[kojira]\nserver = %(nothing)s\n", "nothing"),
    ],
)
def test_what_kojira_would_end_at_is_refused(site: str, said: str) -> None:
    assert said in refused(site)


def test_what_only_another_version_takes_is_refused() -> None:
    assert "1.34.3 has no option repo_lifetime" in refused("[kojira]\nrepo_lifetime = 1\n", OLD)
    assert made(site="[kojira]\nrepo_lifetime = 1\n").warnings == []


def test_what_does_nothing_any_more_is_told() -> None:
    found = made(site="[kojira]\nmax_repo_tasks = 1\nwith_src = no\n")
    assert [warning["reason"] for warning in found.warnings] == ["KojiraOptionIgnored"]
    assert "max_repo_tasks, with_src" in found.warnings[0]["message"]


@pytest.mark.parametrize("text", ["a\nserver = evil", "50%", "%(topdir)s", "{{ 1 + 1 }}", "\x00\u2028[other]", "ü"])
def test_text_stays_text(tmp_path: Path, text: str) -> None:
    found = made({"kojira_options": {"source_tags": text, "ignore_tags": text}}, version=OLD)
    parsed = configparser.ConfigParser()
    parsed.read_string(found.kojira_conf)
    assert parsed.sections() == ["kojira"]
    assert parsed.get("kojira", "server") == URL
    assert parsed.get("kojira", "ignore_tags").split() == ini.one_line(text).split()


def test_silence_is_measured_by_kojiras_own_rounds() -> None:
    assert made().silent_after == 3 * (15 + 10) + 30
    assert made().restart_after == 2 * made().silent_after
    assert made(site="[kojira]\nsleeptime = 600\n").silent_after == 3 * 610 + 30
