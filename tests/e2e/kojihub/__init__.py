# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A KojiHub on a real cluster, with devhub's image: from nothing but the Secret `postgres` to a hub that serves."""
