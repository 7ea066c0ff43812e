# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Finds a method's handler: the library's, those of the image's kojid, and plugins'."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import logging
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import koji.plugin
import koji.tasks

from runner.outcome import Problem

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from koji.daemon import TaskManager

    from runner.options import Options

LOG = logging.getLogger("koji.runner")

# These tell a kojid to stop; in a pod there is none, and the operator answers them itself.
DAEMON_METHODS = ("restart", "restartVerify", "shutdown")


def register(manager: TaskManager, method: str, options: Options, kojid: Path) -> None:
    """Register what can run `method`, in kojid's order: its own handlers, then the library's, then plugins'."""
    plugins = options.values.plugin
    manager.findHandlers(vars(koji.tasks))
    # Loading kojid costs 0.2-0.4 s, and the library's handlers go before its own: only load it when it matters.
    if (plugins or method not in manager.handlers) and kojid.exists():
        module = load_kojid(kojid)
        options.add_defaults(kojid_defaults(module, options))
        manager.handlers.clear()
        manager.findHandlers(vars(module))
        manager.findHandlers(vars(koji.tasks))
    if plugins:
        tracker = koji.plugin.PluginTracker(path=options.values.pluginpath.split(":"))
        for name in plugins:
            LOG.info("Loading plugin: %s", name)
            manager.scanPlugin(_load_plugin(tracker, name, options.values.pluginpath))
    for daemon_method in DAEMON_METHODS:
        manager.handlers.pop(daemon_method, None)


def _load_plugin(tracker: koji.plugin.PluginTracker, name: str, path: str) -> ModuleType:
    try:
        plugin: ModuleType = tracker.load(name)
    except Exception as error:
        raise Problem(f"plugin '{name}' of kojid.conf can't be loaded from {path}: {error!r}") from error
    return plugin


def load_kojid(path: Path) -> ModuleType:
    """The script as a module named kojid; its main part doesn't run. Problem if it can't be imported."""
    loader = importlib.machinery.SourceFileLoader("kojid", str(path))
    spec = importlib.util.spec_from_loader("kojid", loader)
    if spec is None:
        raise Problem(f"{path} can't be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules["kojid"] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise Problem(f"{path} of this image can't be loaded: {error!r}") from error
    return module


def kojid_defaults(module: ModuleType, options: Options) -> dict[str, Any]:
    """What kojid's own get_options() says for an empty kojid.conf, {} if it has none or won't say."""
    get_options = getattr(module, "get_options", None)
    if get_options is None:
        return {}
    arguments = sys.argv
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        # It insists on these two, and makes the workdir.
        config.write(f"[kojid]\nserver = {options.values.server}\ntopurl = {options.values.topurl or 'unset'}\n")
        config.write(f"workdir = {options.values.workdir}\n")
        config.flush()
        sys.argv = [str(module.__file__), "-c", config.name]
        try:
            found = vars(get_options())
        except (Exception, SystemExit) as error:  # noqa: BLE001 (it is not made to be called like this)
            LOG.warning("%s doesn't tell its defaults (%r); those of kojid 1.36 are used", module.__file__, error)
            return {}
        finally:
            sys.argv = arguments
    given_here = {"server", "topurl", "topurls", "workdir", "configFile"}
    return {name: value for name, value in found.items() if name not in given_here}
