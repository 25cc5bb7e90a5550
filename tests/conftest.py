"""Fixtures: an isolated home for every test, the real MNIST, and a small trained bundle, once for each test process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import browser, recognizer, service  # noqa: F401 - fixtures for every test

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def data_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the real MNIST: copied from `$INKDIGITS_TEST_DATA` (four IDX files), else fetched."""
    from inkdigits.datasets import load_dataset

    cache = tmp_path_factory.mktemp("cache")
    given = os.environ.get("INKDIGITS_TEST_DATA")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(cache))
        load_dataset("mnist", "train", source=Path(given) if given else None)
        load_dataset("mnist", "test", source=Path(given) if given else None)
    return cache


@pytest.fixture(scope="session")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The real typefaces, which npm fetches."""
    from inkdigits.datasets.typefaces import load_typefaces

    if shutil.which("npm") is None and "CI" not in os.environ:
        pytest.skip("typefaces come from npm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(tmp_path_factory.mktemp("fonts")))
        return load_typefaces()


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Home, cache and working folder are empty temporary folders: no test reads or writes the user's own."""
    home = tmp_path_factory.mktemp("home")
    work = home / "work"
    work.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "INKDIGITS_CACHE"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.chdir(work)
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def mnist(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this test find the real MNIST: the cache points at the session's copy. Returns the cache folder."""
    monkeypatch.setenv("INKDIGITS_CACHE", str(data_cache))
    return data_cache


@pytest.fixture(scope="session")
def trained(data_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle (recipe `quick`, one epoch, 12,000 images), trained once for the session. Do not write into it."""
    from inkdigits.training import train

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(data_cache))
        out = tmp_path_factory.mktemp("trained") / "quick"
        return train("quick", out=out, seed=0, epochs=1, overrides={"train_images": 12_000})


@pytest.fixture
def bundle(trained: Path, tmp_path: Path) -> Path:
    """A private copy of the trained bundle, to damage or add to."""
    return Path(shutil.copytree(trained, tmp_path / "bundle"))
