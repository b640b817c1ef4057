"""/livez, /readyz and /healthz, on a thread of their own."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError

if TYPE_CHECKING:
    from .outside import Report


class _Handler(BaseHTTPRequestHandler):
    report: Callable[[], Report]
    timeout = 5  # seconds that a client may take to say what it wants
    server_version = "faciliter-jobs"
    sys_version = ""

    def do_GET(self) -> None:
        report = type(self).report()
        path = self.path.partition("?")[0]
        if path == "/livez":
            self._answer(report.live, "ok" if report.live else report.why_not)
        elif path == "/readyz":
            self._answer(report.ready, "ok" if report.ready else report.why_not)
        elif path == "/healthz":
            said = {"live": report.live, "ready": report.ready, "why_not": report.why_not, **report.details}
            self._answer(report.live and report.ready, json.dumps(said, indent=2), "application/json")
        else:
            self._send(404, "/livez, /readyz or /healthz", "text/plain")

    def _answer(self, good: bool, text: str, kind: str = "text/plain") -> None:
        self._send(200 if good else 503, text, kind)

    def _send(self, code: int, text: str, kind: str) -> None:
        body = (text + "\n").encode()
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds: nothing to log."""


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Not http.server's own, which looks its host's name up in the DNS when it starts."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[_Handler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is no one's concern."""


class HealthServer:
    """Answers 200 or 503, and in the body why. Raises InvalidArgumentError when the address can't be
    bound."""

    def __init__(self, host: str, port: int, report: Callable[[], Report]) -> None:
        handler = type("Handler", (_Handler,), {"report": staticmethod(report)})
        try:
            self._server = _Server(host, port, handler)
        except OSError as error:
            raise InvalidArgumentError(f"--health-port: can't listen on {host}:{port}: {error}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
