# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What of a site's krb5.conf gets into the operator's process: no module, no file of its."""

from __future__ import annotations

import re

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.krb5_conf import safe
from hypothesis import given
from hypothesis import strategies as st

SITE = """\
# The site's
includedir /etc/krb5.conf.d/
module /tmp/evil.so:x
[logging]
  default = FILE:/tmp/log
[libdefaults]
  default_realm = KOJI.TEST
  rdns = false
  plugin_base_dir = /tmp
  default_keytab_name = FILE:/etc/shadow
[realms]
  KOJI.TEST = {
    kdc = kdc.example:88
    kdc = kdc2.example
    pkinit_anchors = FILE:/etc/shadow
    v4_instance_convert = {
      kdc = nobody
    }
  }
[plugins]
  clpreauth = {
    module = evil:/proc/self/fd/5
  }
[domain_realm]
  .example = KOJI.TEST
[capaths]
  A = {
    B = .
  }
"""
KEPT = """\
[libdefaults]
  default_realm = KOJI.TEST
  rdns = false
[realms]
  KOJI.TEST = {
    kdc = kdc.example:88
    kdc = kdc2.example
  }
[domain_realm]
  .example = KOJI.TEST
[capaths]
  A = {
    B = .
  }
"""
WORDS = st.sampled_from(
    [*SITE.splitlines(), "}", "{", "[realms]", "x = {", "  module = a:/b", "include /etc/shadow", "[plugins]*"]
)


def test_kdcs_and_rules_for_names_are_taken_and_nothing_else() -> None:
    assert safe(SITE) == KEPT


def test_what_was_taken_once_is_taken_again() -> None:
    assert safe(KEPT) == KEPT


def test_a_file_with_nothing_of_use_gives_nothing() -> None:
    assert not safe("hello\n[logging]\nkdc = x\n")


def test_a_realm_that_is_not_ended_is_ended() -> None:
    assert safe("[realms]\nX = {\nkdc = a\n") == "[realms]\n  X = {\n    kdc = a\n  }\n"


@pytest.mark.parametrize("section", ["domain_realm", "capaths", "realms"])
@pytest.mark.parametrize("word", ["module", "include", "plugin_base_dir", "pkinit_anchors"])
def test_a_word_that_names_a_module_or_a_file_is_no_host_and_no_realm(section: str, word: str) -> None:
    assert not safe(f"[{section}]\n{word} = /tmp/evil.so\n{word} = {{\n{word} = a\n}}\n")


@given(st.lists(WORDS).map("\n".join) | st.text())
def test_whatever_is_written_no_module_and_no_file_is_named(text: str) -> None:
    kept = safe(text)
    assert not re.search(r"(?m)^\s*(module|include|includedir|plugin_base_dir|pkinit\w*)\b", kept)
    assert set(re.findall(r"(?m)^\[(.*)\]", kept)) <= {"libdefaults", "realms", "domain_realm", "capaths"}
    assert kept.count("{") == kept.count("}")
