# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Serves the schedulers' metrics over HTTP: /metrics for Prometheus, /healthz for the kubelet."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.collector import FilesCollector
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.file import DEFAULT, ENVIRONMENT
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from wsgiref.simple_server import WSGIServer

PORT = 8081  # ansible-operator has 8443 (metrics), 6789 (health) and 8888 (its proxy)
IDLE = 10  # seconds that a client may take for its request

LOG = logging.getLogger("koji-operator-metrics")


class ListenError(Exception):
    """The address can't be listened on; the message says why."""


class _Handler(WSGIRequestHandler):
    timeout = IDLE

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """Log no request: there is one every few seconds."""


class _Server(ThreadingWSGIServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the library's signature)
        """A client that hangs up is no news; anything else is."""
        if not isinstance(sys.exception(), OSError):
            LOG.exception("a request of %s failed", client_address[0])


def application(folder: Path) -> Callable[..., Iterable[bytes]]:
    """The WSGI application that serves a folder of metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FilesCollector(folder))
    metrics = make_wsgi_app(registry)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            answer: Iterable[bytes] = metrics(environ, start_response)
            return answer
        found = path == "/healthz"
        start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"ok\n" if found else b"There is /metrics and /healthz.\n"]

    return app


def serve(address: str, port: int, folder: Path) -> WSGIServer:
    """Listen; the server is started by its serve_forever(). Raises ListenError."""

    class Server(_Server):
        """One for the family of the address: IPv4 or IPv6."""

    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        Server.address_family = found[0][0]
        return make_server(address, port, application(folder), Server, handler_class=_Handler)
    except OSError as error:
        raise ListenError(f"can't listen on {where}: {error.strerror or error}") from error


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; it must be a number from 0 (any that is free) to 65535")
    return int(text)


def _folder(text: str) -> Path:
    path = Path(text)
    if not text or (path.exists() and not path.is_dir()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no folder; name the one that {ENVIRONMENT} names for the operator"
        )
    return path


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="koji-operator-metrics", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--address", default="127.0.0.1", help="address to listen on; 0.0.0.0 or :: is all (default: %(default)s)"
    )
    parser.add_argument("--port", type=_port, default=PORT, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--folder",
        type=_folder,
        default=os.environ.get(ENVIRONMENT) or str(DEFAULT),
        help=f"folder in which the operator's runs keep their counters (default: ${ENVIRONMENT}, else {DEFAULT})",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. -> exit code"""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    options = arguments(argv)
    try:
        server = serve(options.address, options.port, options.folder)
    except ListenError as error:
        LOG.error("%s", error)  # noqa: TRY400 (the message is all there is to say)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # In a thread: shutdown waits for the loop that this handler interrupts.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    if not options.folder.is_dir():
        LOG.warning("%s does not exist yet: there is nothing to serve until a scheduler has run", options.folder)
    LOG.info("serving %s on %s port %d", options.folder, options.address, server.server_port)
    with server:
        server.serve_forever(poll_interval=0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
