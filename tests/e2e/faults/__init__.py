# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The fault table of docs/faults.md, line by line, on the real cluster."""
