# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The resources that the tests apply, in the namespace of a hub that plain manifests made."""

from __future__ import annotations

from typing import Any

API_VERSION = "apps.fedoraproject.org/v1alpha1"
IMAGE = "localhost/koji-builder:dev"
# A run of the operator takes seconds on two busy cores, and a first one waits for others. Nobody waits so long for what
# goes well: these only have to be far from what a slow machine needs.
READY = 180  # seconds
SOON = 120  # seconds


def resource(kind: str, name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """A resource of the operator."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def user(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """A KojiUser of the namespace's hub."""
    return resource("KojiUser", name, namespace, **spec)


def builder(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """A KojiBuilder of the namespace's hub whose pods can start anywhere."""
    defaults = {"image": IMAGE, "image_pull_policy": "IfNotPresent", "security_profile": "restricted"}
    return resource("KojiBuilder", name, namespace, **{**defaults, **spec})
