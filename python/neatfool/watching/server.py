"""A page for this machine's browser alone: on the loopback address, behind an address that nobody can guess."""

from __future__ import annotations

import hmac
import os
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from neatfool.errors import ConfigError

HOST = "127.0.0.1"

_TIMEOUT = 10.0
_POLL = 0.2


class Answer(NamedTuple):
    """What is served: its media type and its bytes."""

    kind: str
    content: bytes


Answers = Callable[[str, str], Answer | None]
"""From what follows the token in the path, and the query, to what is served; None for what there is not."""


class PageServer:
    """Serves a page from a thread of its own until it is closed.

    Requests without the token of the address, or for another host name (as after DNS rebinding), get 404 and nothing else.

    Attributes:
        address: where the page is.
    """

    def __init__(self, answers: Answers, *, port: int) -> None:
        token = secrets.token_urlsafe(18)
        try:
            self._server = _Server((HOST, port), _handler(answers, token))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"The page cannot be served on {HOST}, port {port} ({reason}); choose another --port or none."
            ) from error
        self.address = f"http://{HOST}:{self._server.server_port}/{token}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="neatfool live page", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # On Windows it would let another program take the port over.
    allow_reuse_address = os.name != "nt"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up in the middle is nothing to speak of."""


def _handler(answers: Answers, token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "neatfool", ""
        timeout = _TIMEOUT

        def do_GET(self) -> None:
            answer = self._find()
            self.send_response(HTTPStatus.NOT_FOUND if answer is None else HTTPStatus.OK)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")
            if answer is not None:
                self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.content) if answer else 0))
            self.end_headers()
            if answer is not None:
                self.wfile.write(answer.content)

        def _find(self) -> Answer | None:
            port = self.connection.getsockname()[1]
            hosts = self.headers.get_all("Host") or []
            if len(hosts) != 1 or hosts[0] not in (f"{HOST}:{port}", f"localhost:{port}"):
                return None
            try:
                parts = urlsplit(self.path)
            except ValueError:
                return None
            given, slash, rest = parts.path.removeprefix("/").partition("/")
            if not slash or not hmac.compare_digest(given.encode(), token.encode()):
                return None
            return answers(rest, parts.query)

        def log_message(self, *_: Any) -> None:
            """Nobody reads a log of polls."""

    return Handler
