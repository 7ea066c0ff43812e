# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Runs one Koji task inside a pod, as kojid runs it on a builder, and exits.

The operator has opened the task and made a subsession of the builder's session for it; this program finds both in
/run/koji-task/task.json, runs the task's handler, closes or fails the task on the hub, and says how it ended in the
pod's termination message. It is mounted into the pod as it stands here and started by
`PYTHONPATH=/opt/koji-operator python3 -m runner`.
"""
