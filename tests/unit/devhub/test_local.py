# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The clients that tests use."""

from pathlib import Path

import koji
import pytest

from tests.devhub.certificates import Authority
from tests.devhub.local import URL, LocalHub, intercept, local_session


class Own(koji.ClientSession):
    """A subclass as the operator has one."""

    def greet(self) -> str:
        """Call through the own class."""
        return str(self.hello())


def test_own_subclasses_and_attached_sessions(hub: LocalHub) -> None:
    session = local_session(hub, "koji-admin", base=Own)
    session.ssl_login()
    assert session.greet() == "Hello World"
    attached = local_session(hub, sinfo=session.sinfo, base=Own)
    assert attached.getLoggedInUser()["name"] == "koji-admin"


def test_a_collected_copy_logs_the_session_out(hub: LocalHub) -> None:
    session = hub.admin()
    copy = local_session(hub, sinfo=session.sinfo)
    del copy
    with pytest.raises(koji.AuthError):
        session.getAPIVersion()


def test_intercepted_sessions_are_whom_the_certificate_names(hub: LocalHub, tmp_path: Path) -> None:
    pem = tmp_path / "someone.pem"
    pem.write_text(Authority().issue("someone").pem)
    with intercept(hub) as url:
        assert url == URL
        session = koji.ClientSession(url)
        session.ssl_login(str(pem))
        assert session.getLoggedInUser()["name"] == "someone"
        session.logout()


def test_hubs_do_not_share_anything() -> None:
    one, other = LocalHub(), LocalHub()
    one.admin().createUser("u")
    assert other.anonymous().getUser("u") is None
