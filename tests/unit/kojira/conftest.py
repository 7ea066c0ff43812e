# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A namespace with a hub, which answers nothing."""

from __future__ import annotations

import pytest

from .namespace import Namespace, silent_hub


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Namespace:
    silent_hub(monkeypatch)
    return Namespace()
