"""Typefaces: fetched once, verified, and told of when they cannot be had."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest

from inkdigits import files
from inkdigits.datasets import typefaces
from inkdigits.datasets.typefaces import Typeface, load_typefaces
from inkdigits.errors import DatasetError

CONTENT = {"first": b"one file", "second": b"another file"}


def tarball(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(f"package/files/{name}-latin-400-normal.woff")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of two typefaces, and a program called npm that packs what lies in the folder; it notes its calls."""
    monkeypatch.setattr(
        typefaces, "table", lambda: [Typeface(n, len(c), files.sha256_of(c)) for n, c in CONTENT.items()]
    )
    registry, folder = tmp_path / "registry", tmp_path / "bin"
    registry.mkdir()
    folder.mkdir()
    for name, content in CONTENT.items():
        (registry / name).write_bytes(tarball(name, content))
    program = folder / "npm"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        f"registry = pathlib.Path({str(registry)!r})\n"
        "asked = [word for word in sys.argv[2:] if word.startswith('@')]\n"
        "assert sys.argv[1] == 'pack' and '--ignore-scripts' in sys.argv\n"
        "with (registry / 'calls').open('a') as calls:\n"
        "    calls.write(' '.join(asked) + '\\n')\n"
        "for spec in asked:\n"
        "    name, version = spec.removeprefix('@fontsource/').split('@')\n"
        "    pathlib.Path(f'fontsource-{name}-{version}.tgz').write_bytes((registry / name).read_bytes())\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return registry


def calls(registry: Path) -> list[str]:
    return (registry / "calls").read_text().split() if (registry / "calls").exists() else []


def test_typefaces_are_fetched_once(npm: Path) -> None:
    assert load_typefaces() == CONTENT
    assert calls(npm) == ["@fontsource/first@5.3.0", "@fontsource/second@5.3.0"]
    assert load_typefaces() == CONTENT and len(calls(npm)) == 2
    (files.cache_folder() / "typefaces" / "second-latin-400-normal.woff").write_bytes(b"damaged one.")
    assert load_typefaces() == CONTENT and calls(npm)[2:] == ["@fontsource/second@5.3.0"], "only what is missing"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (tarball("second", b"another life"), "SHA-256 differs"),
        (tarball("second", b"a file"), "of the right size"),
        (b"no tarball", "damaged|cut short"),
    ],
)
def test_what_is_not_the_file_is_refused(npm: Path, content: bytes, says: str) -> None:
    (npm / "second").write_bytes(content)
    with pytest.raises(DatasetError, match=says):
        load_typefaces()
    assert not (files.cache_folder() / "typefaces" / "second-latin-400-normal.woff").exists()


def test_without_npm_it_is_said_what_to_do(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DatasetError, match=r"npm is not installed.*Node.*copy .*typefaces"):
        load_typefaces()


def test_a_cache_that_cannot_be_written_is_named(npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("INKDIGITS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DatasetError, match="INKDIGITS_CACHE"):
        load_typefaces()


def test_the_table_is_whole_and_free() -> None:
    rows = typefaces.table()
    assert len(rows) > 40 and len({row.name for row in rows}) == len(rows)
    assert all(len(row.sha256) == 64 and 5_000 < row.size < 100_000 for row in rows)
    text = Path(typefaces.__file__).with_suffix(".csv").read_text(encoding="utf-8").splitlines()[1:]
    assert {line.split(",")[1] for line in text} == {"OFL-1.1", "Apache-2.0"}
