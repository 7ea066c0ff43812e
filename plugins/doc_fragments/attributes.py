# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the modules of this collection behave; each says which of it it supports."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes that every module states."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and say what would be changed without changing it.
  diff_mode:
    description: Will return details on what has changed, or would be in C(check_mode), when in diff mode.
  idempotent:
    description: When run twice in a row outside check mode, the second run changes nothing.
"""

    # For modules that only read.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: full
    details:
      - This module changes nothing.
"""
