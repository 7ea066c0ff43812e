# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A real Kubernetes on this machine for demo and tests: `python -m tests.cluster --help`."""

from .cluster import Cluster
from .paths import ClusterError

__all__ = ["Cluster", "ClusterError"]
