# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Runs watches.yaml without an ansible-operator binary. For development and tests only: never the product."""
