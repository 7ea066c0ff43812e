# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the project takes for granted about ansible-operator, tried on the development loop or on the real one."""
