# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The environment of the operator's image, told for a checkout: for the loop and for a real ansible-operator."""

import sysconfig
from collections.abc import Mapping
from pathlib import Path


def environment(environ: Mapping[str, str], project: Path) -> dict[str, str]:
    """Return `environ` with this Python's Ansible and the roles and modules of `project` on their paths."""
    # Not resolved: the interpreter of a virtual environment is a link to one that has no Ansible.
    packages, scripts = sysconfig.get_path("purelib"), sysconfig.get_path("scripts")
    path = environ.get("PATH", "/usr/bin:/bin")
    kubeconfig = Path(environ.get("KUBECONFIG") or Path.home() / ".kube" / "config").absolute()
    return {
        **{name: value for name, value in environ.items() if not name.startswith("PYTEST_")},
        "PATH": path if scripts in path.split(":") else f"{scripts}:{path}",
        "KUBECONFIG": str(kubeconfig),
        # Not through the proxy: see plugins/modules/koji_task_pod.py.
        "KOJI_OPERATOR_KUBECONFIG": str(kubeconfig),
        "ANSIBLE_CONFIG": str(project / "ansible.cfg"),
        "ANSIBLE_GATHERING": "explicit",
        # A module goes to its Python by a pipe: no temporary files, and less CPU.
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_COLLECTIONS_PATH": packages,
        "ANSIBLE_ROLES_PATH": str(project / "roles"),
        # The runtime knows requeue_after by its bare name only.
        "ANSIBLE_LIBRARY": str(project / "plugins" / "modules"),
    }
