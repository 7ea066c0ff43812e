# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
