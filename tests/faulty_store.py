"""An S3 server on the loopback that can be told to fail: moto's, behind a counter of requests."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class FaultyStore:
    """Moto's application, and how it fails.

    Attributes
    ----------
    requests, maps : int
        Number of all requests so far, and of those that wrote a heat map.
    every : int
        Each request whose number is a multiple of it fails, in turn by an error (503) and by a body that ends early; 0
        for none.
    down : bool
        Whether all requests fail.
    denied : str
        Requests of paths with this text in them are refused (403); empty for none.
    address : str
        The server's, such as "http://127.0.0.1:5000".
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._lock = threading.Lock()
        self.requests, self.failed, self.maps = 0, 0, 0
        self.every, self.down, self.denied = 0, False, ""
        self.address = ""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            self.requests += 1
            fails = self.down or (self.every and self.requests % self.every == 0)
            self.failed += bool(fails)
            cut = fails and not self.down and self.failed % 2 == 0 and environ["REQUEST_METHOD"] == "GET"
        if self.denied and self.denied in environ["PATH_INFO"]:
            return _answer(environ, start_response, "403 Forbidden", _DENIED)
        if fails and not cut:
            return _answer(environ, start_response, "503 Slow Down", _SLOW_DOWN)
        body = self._application(environ, start_response)
        self.maps += environ["REQUEST_METHOD"] == "PUT" and "/heatmaps/" in environ["PATH_INFO"]
        return [b"".join(body)[:-1]] if cut else body


def _answer(environ: dict[str, Any], start_response: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))  # else the connection breaks instead
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def serve() -> Iterator[FaultyStore]:
    """Run the server in a thread."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            pass

    store = FaultyStore(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=Silent)
    store.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
