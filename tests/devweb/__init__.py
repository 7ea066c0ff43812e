# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A stand-in for Koji's web pages, for the tests of what the operator gives them."""
