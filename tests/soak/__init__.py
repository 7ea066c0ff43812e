# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Hundreds of tasks while faults arrive at random: `python -m tests.soak`, ten minutes on a cluster of its own.

Writes build/soak.json: {"tasks", "attempts", "lost", "double_closed", "left_over", "seconds"}; lost, double_closed and
left_over must be 0.
"""
