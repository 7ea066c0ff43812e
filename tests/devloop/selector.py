# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""metav1.LabelSelector."""

from collections.abc import Mapping

from .watches import Json


def matches(selector: Json, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil a selector; an empty one takes everything. Raises ValueError for an unknown operator."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        _fulfils(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _fulfils(expression: Json, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case operator:
            raise ValueError(f"selector: unknown operator {operator}")
