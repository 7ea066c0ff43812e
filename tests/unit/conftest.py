# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Settings of all property tests, and what the tests with real servers need."""

import os

import pytest
from hypothesis import settings

from tests.cluster import ClusterError, packages

# By default an example that takes 0.2 s is an error: on a busy machine that says nothing of the code.
settings.register_profile("koji", deadline=None)
settings.load_profile("koji")


@pytest.fixture(scope="session")
def debian_servers() -> None:
    """Debian's Apache and PostgreSQL, which root installs; who isn't root, or has another system, goes without."""
    try:
        lacking = packages.missing(packages.LOOPBACK)
    except ClusterError as error:
        pytest.skip(str(error))
    if lacking and os.geteuid() != 0:
        pytest.skip(f"needs Debian's {', '.join(lacking)}")
    packages.ensure(packages.LOOPBACK)
