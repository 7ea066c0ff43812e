# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""`make demo`: the whole path of a task, for people to watch."""

CLUSTER = "koji"
NAMESPACE = "koji"
