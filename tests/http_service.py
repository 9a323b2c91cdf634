"""An HTTP service on the loopback interface that answers as a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What was asked: the path, the query, the headers, and how many requests came before it."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    number: int


@dataclass(frozen=True)
class Reply:
    """What is answered; `cut` bytes are missing at the end of the body that the headers promise."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


@dataclass
class Service:
    """Its address, what it answers, and what it was asked so far."""

    url: str = ""
    answer: Callable[[Request], Reply] = lambda request: Reply()
    asked: list[Request] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Service]:
    """A service that ends with the block."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(parts.path, query, headers, len(service.asked))
            service.asked.append(request)
            reply = service.answer(request)
            self.send_response(reply.status)
            for name, value in {
                "Content-Length": str(len(reply.body)),
                "Content-Type": "text/csv",
                **reply.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) - reply.cut])
            if reply.cut:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
