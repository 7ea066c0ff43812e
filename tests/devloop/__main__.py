# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""`python -m tests.devloop [--watches FILE] [--namespace NS...]`, with KUBECONFIG in the environment."""

import argparse
import asyncio
import importlib.util
import logging
import os
import signal
import sys
from pathlib import Path

import tests.devloop

from .api import Api, Credentials, KubeconfigError
from .controller import Controller
from .environment import environment
from .informers import Informers
from .proxy import Owner, Proxy
from .runs import Runs
from .watches import Defaults, Kind, Watch, WatchesError, load, parse_duration

log = logging.getLogger("tests.devloop")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.devloop", description=tests.devloop.__doc__)
    parser.add_argument("--watches", type=Path, default=Path("watches.yaml"), metavar="FILE")
    parser.add_argument("--namespace", nargs="*", default=[], metavar="NS", help="namespaces to watch; default: all")
    parser.add_argument("--reconcile-period", type=parse_duration, default="10h", metavar="DURATION")
    parser.add_argument("--max-concurrent-reconciles", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--ansible-verbosity", type=int, default=2, metavar="N")
    parser.add_argument("--proxy-port", type=int, default=8888, metavar="PORT", help="0: any; default: %(default)s")
    parser.add_argument("--runner-dir", type=Path, default=Path("/tmp/ansible-operator/runner"), metavar="FOLDER")  # noqa: S108
    parser.add_argument("--graceful-shutdown-timeout", type=parse_duration, default="30s", metavar="DURATION")
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    if importlib.util.find_spec("ansible_runner_http") is None:
        raise WatchesError("the Python package ansible-runner-http is missing: events of runs come through it")
    environ = environment(os.environ, Path.cwd())
    defaults = Defaults(options.reconcile_period, options.max_concurrent_reconciles, options.ansible_verbosity)
    watches = load(options.watches, Path.cwd(), environ, defaults)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Api(Credentials.load(Path(environ["KUBECONFIG"]))) as api:
        await serve(api, watches, Runs(options.runner_dir, environ), options, stop)


async def serve(api: Api, watches: list[Watch], runs: Runs, options: argparse.Namespace, stop: asyncio.Event) -> None:
    informers = Informers(api, options.namespace)
    controllers: dict[Kind, Controller] = {}

    def seen(owner: Owner, kind: Kind, owned: bool, namespaced: bool, namespace: str) -> None:
        if owner.kind in controllers and informers.sees(namespace):
            controllers[owner.kind].follow_dependent(kind, owned, namespaced)

    proxy = Proxy(api, seen)
    await proxy.start(options.proxy_port)
    log.info("Proxy on port %d", proxy.port)
    for watch in watches:
        controllers[watch.kind] = Controller(watch, api, runs, informers, proxy.port)
    for controller in controllers.values():
        controller.start()
    await stop.wait()
    log.info("Stopping")
    for controller in controllers.values():
        controller.close()
    await informers.stop()
    # The proxy stays until the last run has ended: a run needs it to finish what it does.
    workers = [asyncio.create_task(controller.join()) for controller in controllers.values()]
    await asyncio.wait(workers, timeout=options.graceful_shutdown_timeout)
    await runs.kill()
    await asyncio.gather(*workers)
    await proxy.stop()
    log.info("Stopped")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(main(arguments()))
    except (WatchesError, KubeconfigError, OSError) as problem:
        sys.exit(f"tests.devloop: {problem}")
