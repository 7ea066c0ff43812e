# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub in memory with a clock that stands still."""

import pytest

from tests.devhub.local import Clock, LocalHub


@pytest.fixture
def clock() -> Clock:
    """A clock for the hub."""
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> LocalHub:
    """A hub whose scheduler runs whenever it is asked."""
    return LocalHub(clock=clock)
