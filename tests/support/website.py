"""A website of the operator: a folder, served on this machine at its own origin."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Pages(SimpleHTTPRequestHandler):
    """Files by their type; a file without an ending is a page."""

    extensions_map = {  # noqa: RUF012  # as its base class has it
        **SimpleHTTPRequestHandler.extensions_map,
        "": "text/html",
    }

    def log_message(self, *_: Any) -> None:
        """Print nothing: the test's own output is read."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Yield the origin at which the files of ``folder`` are served. It ends with the block.

    Its host is ``localhost``: to a browser, that is another site than the stage's 127.0.0.1.
    """
    handler = partial(_Pages, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
