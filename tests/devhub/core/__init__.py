# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub's semantics, apart from how rows are stored and how requests arrive. Standard library only."""
