# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A fresh cluster of pretence for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .world import World, load

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A hub that is ready, with a sidecar, in namespace koji."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def plugin() -> ModuleType:
    """The plugin as a module."""
    return load()
