# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Tags as far as repos need them: their existence, what was said about them beside, and when that changed."""

import json
from typing import Any

from .context import Context, export
from .convert import cast, check_name, clean_arches, name_or_id
from .faults import GenericError
from .storage import Row, eq

VERSIONED = ("tag_config", "tag_extra")


@export("getTag")
def get_tag(context: Context, tagInfo: Any, strict: bool = False) -> Row | None:  # noqa: N803
    """Return a tag with its extra settings; None or GenericError if there is none."""
    tag = context.one("tag", **name_or_id(tagInfo))
    config = tag and context.one("tag_config", tag_id=tag["id"], active=True)
    if not tag or not config:
        if strict:
            raise GenericError(f"No such tagInfo: {tagInfo!r}")
        return None
    extra = context.tx.select("tag_extra", eq(tag_id=tag["id"], active=True))
    return {
        **tag,
        "perm_id": None,
        "perm": None,
        "arches": config["arches"],
        "locked": False,
        "maven_support": False,
        "maven_include_all": False,
        "extra": {row["key"]: json.loads(row["value"]) for row in extra},
    }


@export("createTag")
def create_tag(context: Context, name: Any, arches: Any = None, extra: Row | None = None) -> int:
    """Create a tag and return its id."""
    context.assert_perm("tag")
    check_name(context.config, name)
    if get_tag(context, name):
        raise GenericError(f"A tag with the name '{name}' already exists")
    # A tag that was deleted keeps its id.
    tag = context.one("tag", name=name) or context.tx.insert("tag", {"name": name})
    context.create_versioned("tag_config", {"tag_id": tag["id"], "arches": clean_arches(arches, none=True) or None})
    _write_extra(context, tag["id"], extra or {})
    return int(tag["id"])


@export("editTag2")
def edit_tag(context: Context, tagInfo: Any, extra: Row | None = None) -> None:  # noqa: N803
    """Add or change extra settings of a tag."""
    context.assert_perm("tag")
    tag: Row = get_tag(context, tagInfo, strict=True) or {}
    _write_extra(context, tag["id"], {k: v for k, v in (extra or {}).items() if tag["extra"].get(k) != v})


def _write_extra(context: Context, tag_id: int, extra: Row) -> None:
    for key, value in extra.items():
        context.revoke_versioned("tag_extra", tag_id=tag_id, key=key)
        context.create_versioned("tag_extra", {"tag_id": tag_id, "key": key, "value": json.dumps(value)})


@export("deleteTag")
def delete_tag(context: Context, tagInfo: Any) -> None:  # noqa: N803
    """Delete a tag."""
    context.assert_perm("tag")
    tag: Row = get_tag(context, tagInfo, strict=True) or {}
    for table in VERSIONED:
        context.revoke_versioned(table, tag_id=tag["id"])


def _events(context: Context, tag_id: int) -> list[int]:
    rows = [row for table in VERSIONED for row in context.tx.select(table, eq(tag_id=tag_id))]
    return sorted(row[key] for row in rows for key in ("create_event", "revoke_event") if row[key] is not None)


def _id(context: Context, info: Any) -> int:
    tag = context.one("tag", **name_or_id(info))
    if tag is None:
        raise GenericError(f"No such entry in table tag: {info}")
    return int(tag["id"])


@export("tagLastChangeEvent")
def last_change(context: Context, tag: Any, before: Any = None) -> int | None:
    """Return the last event that changed a tag, or the last before one."""
    limit = cast(before, int, none=True)
    return max((event for event in _events(context, _id(context, tag)) if limit is None or event < limit), default=None)


@export("tagFirstChangeEvent")
def first_change(context: Context, tag: Any, after: Any = None) -> int | None:
    """Return the event that created a tag, or the first that changed it after one."""
    limit = cast(after, int, none=True)
    return min((event for event in _events(context, _id(context, tag)) if limit is None or event > limit), default=None)
