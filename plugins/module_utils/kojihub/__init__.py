# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a KojiHub becomes: one subject a file, each with a `look` that reads and never writes."""
