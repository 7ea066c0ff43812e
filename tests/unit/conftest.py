# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Settings of all property tests."""

from hypothesis import settings

# By default an example that takes 0.2 s is an error: on a busy machine that says nothing of the code.
settings.register_profile("koji", deadline=None)
settings.load_profile("koji")
