# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The scheduler: a builder's kojid. plan.py decides, execute.py acts, hub.py and cluster.py are the ports."""
