# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The first admin can always log in and may do everything; nobody else's account is taken for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roles.koji_hub.files.database.bring import Wish, bring_in_line
from roles.koji_hub.files.database.outcome import Refused

from .conftest import image, message, rows

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

ADMIN = "koji-admin"


@pytest.fixture
def wish(database: Connection, tmp_path: Path) -> Wish:
    """A database that has an admin."""
    wish = Wish(image(tmp_path, "1.35"), ADMIN, "koji-admin@EXAMPLE.ORG")
    bring_in_line(database, wish)
    return wish


def test_an_admin_who_was_disabled_or_lost_the_permission_gets_it_back(database: Connection, wish: Wish) -> None:
    rows(database, "UPDATE users SET status = 1 RETURNING 1")
    rows(
        database, "UPDATE user_perms SET active = NULL, revoke_event = get_event(), revoker_id = creator_id RETURNING 1"
    )
    assert message(bring_in_line(database, wish)) == f"schema 1.35; enabled user {ADMIN}; granted admin to {ADMIN}"


def test_a_user_who_is_there_becomes_the_admin(database: Connection, wish: Wish) -> None:
    rows(database, "INSERT INTO users (name, status, usertype) VALUES ('jane', 0, 0) RETURNING 1")
    assert message(bring_in_line(database, Wish(wish.files, "jane"))) == "schema 1.35; granted admin to jane"


def test_a_builder_is_never_made_the_admin(database: Connection, wish: Wish) -> None:
    rows(database, "INSERT INTO users (name, status, usertype) VALUES ('builder', 0, 1) RETURNING 1")
    with pytest.raises(Refused, match="'builder' is a builder or a group on this hub: name another admin_username"):
        bring_in_line(database, Wish(wish.files, "builder"))


def test_another_users_principal_is_not_taken(database: Connection, wish: Wish) -> None:
    with pytest.raises(Refused, match=r"principal 'koji-admin@EXAMPLE\.ORG' is another user's than 'jane'"):
        bring_in_line(database, Wish(wish.files, "jane", wish.principal))
    assert rows(database, "SELECT FROM users WHERE name = 'jane'") == []
