# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The scheduler's metrics: catalog.py names, ledger.py counts, file.py keeps, collector.py and exporter.py serve."""
