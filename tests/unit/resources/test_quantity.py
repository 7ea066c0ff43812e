# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Quantities are compared as numbers, however they are spelled."""

from __future__ import annotations

from decimal import Decimal

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.quantity import quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [("1Gi", 2**30), ("1024Mi", 2**30), ("500m", "0.5"), (2, 2), ("1e3", 1000), ("1.5k", 1500), ("0", 0)],
)
def test_quantities_are_numbers(text: object, number: object) -> None:
    assert quantity(text) == Decimal(str(number))


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1gi", None, "--1"])
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)
