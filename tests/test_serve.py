"""`inkdigits serve`: where it listens, what it prints, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest

from inkdigits.cli import serve
from inkdigits.errors import InkdigitsError
from inkdigits.web.server import PAGE


def start(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "inkdigits", "serve", "--no-open", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_serve_prints_its_address_answers_and_ends_on_ctrl_c(recognizer: Any, request: Any) -> None:
    model = model_path(request)
    process = start("--model", model, "--port", "0", "--max-bytes", "2000")
    try:
        assert process.stderr
        line = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address, line
        assert httpx.get(f"{address[0]}/healthz").json()["status"] == "ok"
        assert httpx.post(f"{address[0]}/v1/classify", content=(PAGE / "seven.png").read_bytes()).status_code == 413
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=15)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "", "Stopped.\n")


def model_path(request: Any) -> str:
    from inkdigits.recognizer import bundled

    return "default" if "default" in bundled() else str(request.getfixturevalue("trained"))


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("--port", str(taken.getsockname()[1]))
        out, err = process.communicate(timeout=30)
    assert process.returncode == 1 and out == ""
    assert "another program uses it" in err and "--port 0" in err and err.count("\n") == 1


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(InkdigitsError, match="Use --host"):
        serve._listen(host, 0)


@pytest.mark.parametrize(
    ("host", "warned", "shown"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:80/"),
        ("localhost", False, "http://localhost:80/"),
        ("::1", False, "http://[::1]:80/"),
        ("0.0.0.0", True, "http://127.0.0.1:80/"),
        ("192.168.1.5", True, "http://192.168.1.5:80/"),
    ],
)
def test_listening_to_the_network_is_warned_about(host: str, warned: bool, shown: str, capsys: Any) -> None:
    serve._announce(serve._url(host, 80), host)
    printed = capsys.readouterr()
    assert printed.out == "" and shown in printed.err
    assert ("no password" in printed.err) is warned


def test_without_fastapi_serve_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['inkdigits', 'serve'];"
        "from inkdigits.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "pip install 'inkdigits[serve]'" in done.stderr and done.stderr.count("\n") == 1
