# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Bad input: each resource says what is wrong and what to do, and the others go on."""
