"""`inkdigits serve`."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING

import typer

from inkdigits.errors import InkdigitsError, MissingExtraError
from inkdigits.web import MAX_BYTES, MAX_PIXELS

if TYPE_CHECKING:
    import uvicorn


def command(
    model: str = typer.Option(
        "default", "--model", metavar="NAME|PATH", help="A bundled model, a bundle folder or an .onnx file."
    ),
    host: str = typer.Option("127.0.0.1", "--host", metavar="ADDRESS", help="The address to listen on."),
    port: int = typer.Option(8000, "--port", min=0, max=65535, help="The port to listen on; 0 takes any free one."),
    open_page: bool = typer.Option(False, "--open/--no-open", help="Open the page in the browser."),
    max_bytes: int = typer.Option(
        MAX_BYTES, "--max-bytes", min=1024, help="The largest picture that is accepted, in bytes."
    ),
    max_pixels: int = typer.Option(
        MAX_PIXELS, "--max-pixels", min=1024, help="The largest picture that is accepted, in pixels."
    ),
) -> None:
    """Open a page to draw digits on, and an HTTP service, on this machine."""
    try:
        import python_multipart  # noqa: F401 - FastAPI needs it for forms and says so only when one arrives

        from inkdigits.web.server import create_app
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "serve") from None
    from inkdigits.web.uploads import Limits

    with _listen(host, port) as listening:
        app = create_app(model=model, limits=Limits(max_bytes=max_bytes, max_pixels=max_pixels))
        server = server_of(app)
        url = _url(host, listening.getsockname()[1])
        _announce(url, host)
        if open_page:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how this ends; uvicorn has finished open requests
            server.run(sockets=[listening])
    sys.stderr.write("Stopped.\n")


def server_of(app: object) -> uvicorn.Server:
    """The HTTP server of `inkdigits serve` around an ASGI application."""
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that the address printed afterwards works at once.

    Raises:
        InkdigitsError: the port is taken or not allowed, or there is no such address here.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "errno", None)
        if reason == errno.EADDRINUSE:
            problem = f"Expected port {port} of {host} to be free; another program uses it."
            raise InkdigitsError(f"{problem} Choose another with --port, or any free one with --port 0.") from None
        if reason in (errno.EACCES, errno.EPERM):
            problem = f"Expected a port that may be opened; {port} is not allowed for this user."
            raise InkdigitsError(f"{problem} Choose one of at least 1024 with --port.") from None
        problem = f"Expected an address of this machine; cannot listen on {host!r} ({error})."
        raise InkdigitsError(f"{problem} Use --host 127.0.0.1 for this machine alone.") from None


def _announce(url: str, host: str) -> None:
    if not _is_loopback(host):
        sys.stderr.write(
            f"Warning: listening on {host}. Everyone who can reach this machine over the network can use the "
            "service; there is no password and no encryption.\n"
        )
    sys.stderr.write(f"inkdigits is at {url}  (the HTTP service: {url}docs). Stop with Ctrl-C.\n")
    sys.stderr.flush()


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _url(host: str, port: int) -> str:
    # "All addresses" is nothing a browser can open.
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
