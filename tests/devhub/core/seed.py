# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Users that exist before anybody has logged in."""

from .context import Context
from .enums import UserStatus, UserType
from .sessions import Session


def seed_user(context: Context, name: str, *permissions: str) -> int:
    """Make sure that a user with these permissions exists, without any session; return its id. Commits."""
    user = context.one("users", name=name)
    if user is None:
        row = {"name": name, "status": int(UserStatus.NORMAL), "usertype": int(UserType.NORMAL)}
        user = context.tx.insert("users", row)
    # Who grants a permission is noted; here it is the user itself.
    context.session = Session()
    context.session.logged_in, context.session.user_id = True, user["id"]
    for permission in permissions:
        perm = context.one("permissions", name=permission)
        if perm is None:
            perm = context.tx.insert("permissions", {"name": permission})
        if not context.one("user_perms", user_id=user["id"], perm_id=perm["id"], active=True):
            context.create_versioned("user_perms", {"user_id": user["id"], "perm_id": perm["id"]})
    context.tx.commit()
    return int(user["id"])
