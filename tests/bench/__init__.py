# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The operator's figures beside kojid's and a bare pod's, on one hub and machine: `python -m tests.bench`.

Writes build/bench.json, a list of {"name", "unit", "n", "p50", "p95", "max"}, and prints a table with what must hold.
"""
