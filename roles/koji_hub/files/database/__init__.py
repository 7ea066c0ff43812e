# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Brings a hub's database to the schema of the hub's image. Runs in it: Python and psycopg2 are all it needs."""
