# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What logins are signed with: made once, kept, and long enough."""

from __future__ import annotations

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb import session
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

LABELS = {"app.kubernetes.io/name": "koji-web"}


def secret(text: str | None, labels: dict[str, str] | None = None) -> Secret:
    texts = {} if text is None else {"secret": text}
    return Secret("koji-web-session", "koji", there=True, texts=texts, labels=labels or {}, version="7")


def test_one_is_made_and_has_no_owner() -> None:
    [order] = session.look(Secret("koji-web-session", "koji"), LABELS).make
    assert len(order["data"]["secret"]) == 64
    assert (order["kept"], order["update"], order["type"]) == (True, False, "Opaque")
    [other] = session.look(Secret("koji-web-session", "koji"), LABELS).make
    assert order["data"] != other["data"]


def test_one_that_is_there_is_used() -> None:
    found = session.look(secret("x" * 16, LABELS), LABELS)
    assert (found.text, found.make) == ("x" * 16, [])
    assert session.look(secret("the site's own secret"), LABELS).text == "the site's own secret"


@pytest.mark.parametrize("text", [None, "", "short", "x" * 16 + "\n[web]\nKojiHubURL = http://evil"])
def test_one_that_is_no_good_is_made_anew_if_it_is_ours_and_named_if_it_is_not(text: str | None) -> None:
    [order] = session.look(secret(text, LABELS), LABELS).make
    assert (order["update"], order["version"]) == (True, "7")
    with pytest.raises(Problem, match=r"'koji-web-session' .*at least 16 characters"):
        session.look(secret(text), LABELS)


def test_it_is_not_shown() -> None:
    assert "xxxx" not in repr(session.look(secret("x" * 16), LABELS))
