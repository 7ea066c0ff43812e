# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Command line of the test cluster."""

import sys

from .command import main

sys.exit(main())
