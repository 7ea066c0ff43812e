# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The first admin, whom nobody can make through the hub: the operator logs in as this user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .outcome import Refused

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

NORMAL_STATUS = NORMAL_USER = 0


def ensure(cursor: Cursor, name: str, principal: str) -> list[str]:
    """Make sure that the user exists, is enabled, has permission admin and the principal. -> what was done"""
    done = []
    cursor.execute("SELECT id, status, usertype FROM users WHERE name = %s", (name,))
    row = cursor.fetchone()
    if row is None:
        cursor.execute(
            "INSERT INTO users (name, status, usertype) VALUES (%s, %s, %s) RETURNING id",
            (name, NORMAL_STATUS, NORMAL_USER),
        )
        row = (*(cursor.fetchone() or ()), NORMAL_STATUS, NORMAL_USER)
        done.append(f"made user {name}")
    user, status, usertype = row
    if usertype != NORMAL_USER:
        raise Refused("AdminNameTaken", f"'{name}' is a builder or a group on this hub: name another admin_username")
    if status != NORMAL_STATUS:
        cursor.execute("UPDATE users SET status = %s WHERE id = %s", (NORMAL_STATUS, user))
        done.append(f"enabled user {name}")
    cursor.execute(
        "SELECT FROM user_perms JOIN permissions ON perm_id = id WHERE user_id = %s AND name = 'admin' AND active",
        (user,),
    )
    if cursor.fetchone() is None:
        # Who grants a permission is noted; here it is the user itself.
        cursor.execute(
            "INSERT INTO user_perms (user_id, perm_id, creator_id) "
            "SELECT %s, id, %s FROM permissions WHERE name = 'admin'",
            (user, user),
        )
        done.append(f"granted admin to {name}")
    if principal:
        cursor.execute("SELECT user_id FROM user_krb_principals WHERE krb_principal = %s", (principal,))
        owner = cursor.fetchone()
        if owner is None:
            cursor.execute(
                "INSERT INTO user_krb_principals (user_id, krb_principal) VALUES (%s, %s)", (user, principal)
            )
            done.append(f"added principal {principal}")
        elif owner[0] != user:
            raise Refused("AdminPrincipalTaken", f"principal '{principal}' is another user's than '{name}'")
    return done
