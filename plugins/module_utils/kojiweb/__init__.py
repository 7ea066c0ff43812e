# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What role koji_web needs to know: each subject has a file, survey.py calls them."""
