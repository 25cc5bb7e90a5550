"""Where files live, and how they are written so that a crash never leaves half of one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from inkdigits.errors import InkdigitsError

CACHE_VARIABLE = "INKDIGITS_CACHE"


def cache_folder() -> Path:
    """The folder for downloaded data: `$INKDIGITS_CACHE`, else the user's cache folder. It may not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("inkdigits"))


def sha256_of(source: Path | bytes) -> str:
    """The SHA-256 of a file's content or of bytes, as 64 lower-case hexadecimal digits."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Parent folders are made. Text is written as UTF-8.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Fill a temporary folder beside `target`; when the block ends without an error its files move into `target`.

    Files of the same names in `target` are replaced one by one, each atomically; other files there stay.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
    try:
        yield stage
        for file in stage.iterdir():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        target.mkdir(exist_ok=True)
        for file in sorted(stage.iterdir()):
            file.replace(target / file.name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def locked(folder: Path) -> sqlite3.Connection:
    """Hold a folder for this process until what is returned is closed.

    The lock is SQLite's, on the file `.lock`: it ends with the process, however that ends, on every system.

    Raises:
        InkdigitsError: another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / ".lock", timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        raise InkdigitsError(f"Another process is at work in {folder}. Wait for it, or stop it.") from error
    return connection
