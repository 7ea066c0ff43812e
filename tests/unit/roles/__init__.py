# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Roles, run by Ansible on this machine, where they need no cluster."""
