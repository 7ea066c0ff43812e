# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The program of the database's Job, against a real PostgreSQL on this machine's loopback."""
