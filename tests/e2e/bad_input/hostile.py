# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Hostile strings for every string field of a kind, generated from its CRD.

A `Leaf` is a place for a string: a field, an item of a list, a value or a key of a map. Its `path` is the schema's
(`spec.env[].name`, `spec.node_selector{}`, `spec.node_selector{key}`).
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from tests.e2e.operator import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.kube import Json

BASES = CHECKOUT / "config" / "crd" / "bases"
# What a command of a payload makes, wherever it runs: in the operator, or in a pod on this machine.
MARKER = f"/tmp/kh{secrets.token_hex(3)}"  # noqa: S108
EVALUATED = "x49x"  # what Jinja makes of x{{ 7*7 }}x

# Family -> its strings, the first that a field accepts is used. @N@ becomes a number of the field, to find it again.
FAMILIES: dict[str, tuple[str, ...]] = {
    "jinja": (
        "x{{ 7*7 }}x{{ lookup('pipe', 'touch @M@') }}{% if true %}y{% endif %}{# gone #}-@N@",
        "x{{ 7*7 }}x{{ lookup('pipe','touch @M@') }}-@N@",
        "{{lookup('pipe','touch${IFS}@M@')}}x{{7*7}}x@@N@",
    ),
    "yaml": (
        '"x\'\n    evil: "yes"\n  evil: {a: [b]}\nevil: |\n- x\n---\n[kojid]\nplugins = x\n[evil]\n%(server)s\r\n@N@',
        'x"\n    evil: "yes"\nevil: |\n[evil]\nplugins = evil\n-@N@',
        "\"x',evil:{a:[b]}@@N@",
    ),
    "shell": (
        "!!python/object/apply:os.system ['touch @M@'] $(touch @M@)`touch @M@`'; touch @M@; \"; touch @M@ #-@N@",
        "$(touch @M@)`touch @M@`;touch @M@ #-@N@",
        "$(touch${IFS}@M@)`touch${IFS}@M@`@@N@",
    ),
    # Ansible makes a list or a map of what looks like one.
    "literal": ('["x", {"evil": [@N@, True, None]}]', '{"evil":[]}@@N@'),
    # Line ends and marks that YAML, INI and terminals know beside the newline.
    "unicode": ("a\u0085evil: b\u2028evil: c\ufeff\u202e\ufffd-@N@", "a\u202e\ufffd@@N@"),
}
HARMLESS = (
    "x@N@", "1", "x@N@@example.com", "* * * * *", "2026-01-01T00:00:00Z", "https://x@N@", "x/%s@x@N@", "amqp://x@N@",
)  # fmt: skip


@dataclass(frozen=True)
class Leaf:
    """A place for a string, with its schema; of a map's key that is what its rules say of keys."""

    path: str
    schema: Mapping[str, Any]

    def accepts(self, text: str) -> bool:
        """What the schema says, as the API server reads it."""
        schema = self.schema
        if "enum" in schema and text not in schema["enum"]:
            return False
        if schema.get("format") == "date-time" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
            return False
        if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
            return False
        # In Go, $ is the end of the text; in Python a newline may follow.
        return re.search(re.sub(r"\$$", r"\\Z", schema.get("pattern", "")), text) is not None


# A leaf and its number -> the text to put there, None for none.
Choose: TypeAlias = Callable[[Leaf, int], str | None]


def spec_schema(kind: str) -> Json:
    """The schema of a kind's spec."""
    definition = yaml.safe_load((BASES / f"apps.fedoraproject.org_{kind.lower()}s.yaml").read_text("utf-8"))
    version: Json = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return version


def _is_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" or bool(schema.get("x-kubernetes-int-or-string"))


def _key_schema(schema: Mapping[str, Any]) -> Json:
    """What CEL says of all keys of a map: `self.all(name, name.matches('PATTERN'))`."""
    rules = (rule["rule"] for rule in schema.get("x-kubernetes-validations", []))
    found = (re.fullmatch(r"self\.all\((\w+), \1\.matches\('(.*)'\)\)", rule) for rule in rules)
    return next(({"pattern": match[2]} for match in found if match), {})


def leaves(schema: Mapping[str, Any], path: str = "spec") -> Iterator[Leaf]:
    """All places for strings, in the schema's order."""
    if _is_text(schema):
        yield Leaf(path, schema)
    for name, child in schema.get("properties", {}).items():
        yield from leaves(child, f"{path}.{name}")
    if isinstance(values := schema.get("additionalProperties"), dict):
        yield Leaf(f"{path}{{key}}", _key_schema(schema))
        yield from leaves(values, f"{path}{{}}")
    if "items" in schema:
        yield from leaves(schema["items"], f"{path}[]")


def written(text: str, number: int) -> str:
    """A text of a family as a field gets it."""
    return text.replace("@N@", str(number)).replace("@M@", MARKER)


def first_accepted(leaf: Leaf, texts: tuple[str, ...], number: int) -> str | None:
    """The first of `texts` that the leaf accepts, with the number in it; None if it accepts none."""
    return next((text for text in (written(one, number) for one in texts) if leaf.accepts(text)), None)


def harmless(leaf: Leaf, number: int) -> str:
    """A text of no interest that the leaf accepts."""
    if "enum" in leaf.schema:
        return str(leaf.schema["enum"][0])
    text = first_accepted(leaf, HARMLESS, number)
    assert text is not None, f"nothing harmless for {leaf.path}: {leaf.schema}"
    return text


@dataclass
class Filled:
    """A spec with one item in each list and map, and where each text is: path -> text, path as errors have it."""

    spec: Json
    texts: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)


class _Filler:
    """Makes one spec; a method a type of schema. `path` is the schema's, `where` as the API server's errors have it."""

    def __init__(self, choose: Choose, leave_out: tuple[str, ...]) -> None:
        self._choose = choose
        self._leave_out = leave_out
        self._numbers = itertools.count(10)
        self.filled = Filled({})

    def value(self, schema: Mapping[str, Any], path: str, where: str, *, needed: bool) -> Any:
        """A value, None for none."""
        if path in self._leave_out:
            return None
        if _is_text(schema):
            return self._text(Leaf(path, schema), where, needed=needed)
        if "properties" in schema:
            return self.members(schema, path, where, needed=needed)
        if isinstance(schema.get("additionalProperties"), dict):
            return self._one_pair(schema, path, where)
        if "items" in schema:
            needed = needed and bool(schema.get("minItems"))
            item = self.value(schema["items"], f"{path}[]", f"{where}[0]", needed=needed)
            return None if item is None else [item]
        return number_or_flag(schema) if needed else None

    def members(self, schema: Mapping[str, Any], path: str, where: str, *, needed: bool) -> Json | None:
        """An object, None for an empty one that isn't needed."""
        properties = schema["properties"]
        chosen = (
            (name, self.value(child, f"{path}.{name}", f"{where}.{name}", needed=False))
            for name, child in properties.items()
        )
        made = {name: member for name, member in chosen if member is not None}
        if not made and not needed:
            return None
        for name in schema.get("required", []):
            if name not in made:
                made[name] = self.value(properties[name], f"{path}.{name}", f"{where}.{name}", needed=True)
        return made

    def _text(self, leaf: Leaf, where: str, *, needed: bool) -> str | None:
        number = next(self._numbers)
        chosen = self._choose(leaf, number)
        if chosen is not None:
            self.filled.texts[leaf.path] = chosen
            self.filled.where[leaf.path] = where
            return chosen
        return harmless(leaf, number) if needed else None

    def _one_pair(self, schema: Mapping[str, Any], path: str, where: str) -> Json:
        key = self._text(Leaf(f"{path}{{key}}", _key_schema(schema)), where, needed=True)
        assert key is not None
        self.filled.keys.add(key)
        return {key: self.value(schema["additionalProperties"], f"{path}{{}}", f"{where}.{key}", needed=True)}


def fill(schema: Mapping[str, Any], choose: Choose, *leave_out: str) -> Filled:
    """A spec with a text wherever `choose` gives one; what is required beside it is filled with harmless values."""
    filler = _Filler(choose, leave_out)
    filler.filled.spec = filler.members(schema, "spec", "spec", needed=True) or {}
    return filler.filled


def accepted(texts: tuple[str, ...]) -> Choose:
    """Choose the first of `texts` that a field accepts."""
    return lambda leaf, number: first_accepted(leaf, texts, number)


def refused(texts: tuple[str, ...], only: Collection[str]) -> Choose:
    """Choose a text for those of the fields `only` that accept none of `texts`."""

    def choose(leaf: Leaf, number: int) -> str | None:
        if leaf.path not in only or first_accepted(leaf, texts, number) is not None:
            return None
        return written(texts[0], number)

    return choose


def number_or_flag(schema: Mapping[str, Any]) -> Any:
    """A harmless value that isn't text."""
    if schema.get("type") == "boolean":
        return schema.get("default", False)
    return schema.get("default", max(1, schema.get("minimum", 1)))


def shape(value: Any, keys: set[str]) -> Any:
    """The structure of a value without its texts; `keys` are those that the resource's author chose."""
    if isinstance(value, dict):
        return {"KEY" if key in keys else key: shape(member, keys) for key, member in value.items()}
    if isinstance(value, list):
        return [shape(member, keys) for member in value]
    return type(value).__name__


def strings(value: Any) -> Iterator[str]:
    """All texts in a value, keys too."""
    if isinstance(value, dict):
        yield from value
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from strings(member)
    elif isinstance(value, str):
        yield value
