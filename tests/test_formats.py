"""IDX and NPZ files: whole or refused."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.datasets import formats
from inkdigits.errors import DatasetError

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([7, 0, 9], np.uint8)
IDX = formats.write_idx(IMAGES)


def npz(**arrays: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def test_idx_bytes_are_those_of_the_format() -> None:
    assert formats.write_idx(LABELS) == b"\x00\x00\x08\x01" + b"\x00\x00\x00\x03" + b"\x07\x00\x09"


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=3), st.booleans(), st.randoms(use_true_random=False))
def test_idx_round_trip(shape: list[int], packed: bool, random: object) -> None:
    array = np.frombuffer(random.randbytes(int(np.prod(shape))), np.uint8).reshape(shape)
    content = formats.write_idx(array)
    read = formats.read_idx(gzip.compress(content) if packed else content, len(shape))
    assert read.shape == array.shape and read.dtype == np.uint8 and (read == array).all()


def test_idx_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(IDX)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(IDX))
    for name in ("plain", "packed.gz"):
        assert (formats.read_idx(tmp_path / name, 3) == IMAGES).all()


@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cut short"),
        (IDX[:3], "cut short"),
        (IDX[:15], "cut short"),
        (IDX[:16], "60 values, 0 bytes"),
        (IDX[:-1], "59 bytes"),
        (IDX + b"\0", "too long"),
        (b"\x01" + IDX[1:], "begin with 00 00 08 03, got 01"),
        (IDX[:2] + b"\x0d" + IDX[3:], "got 00 00 0d 03"),
        (formats.write_idx(LABELS) + bytes(9), "got 00 00 08 01"),
        (IDX[:4] + struct.pack(">3I", 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), "cut short"),
        (IDX[:4] + struct.pack(">3I", 1 << 31, 1 << 31, 4) + IDX[16:], "cut short"),  # 2^64: 0 in 64 bits
        (IDX[:4] + struct.pack(">3I", 0, 4, 5) + IDX[16:], "too long"),
    ],
)
def test_malformed_idx_is_refused(content: bytes, says: str, wrap: type) -> None:
    with pytest.raises(DatasetError, match=says):
        formats.read_idx(wrap(content), 3, "train-images")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(IDX)[:-9], "cut short"),
        (gzip.compress(IDX) + b"more", "4 bytes behind"),
        (gzip.compress(IDX) * 2, "behind the end"),
        (gzip.compress(IDX)[:-8] + bytes(8), "damaged"),
        (b"\x1f\x8b" + bytes(40), "damaged"),
    ],
    ids=["cut short", "more behind", "twice", "another checksum", "nothing inside"],  # its bytes hold the time of day
)
def test_damaged_gzip_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        formats.read_idx(content, 3)


def test_claims_and_bombs_take_no_memory() -> None:
    claim = IDX[:4] + struct.pack(">3I", 60_000, 100, 100)
    bomb = gzip.compress(IDX[:4] + struct.pack(">3I", 1, 2, 3) + bytes(1 << 27))
    packed_claim = gzip.compress(claim)
    tall = zipped({"images.npy": npy(IMAGES)[:128] + bytes(1 << 27), "labels.npy": npy(LABELS)})
    tracemalloc.start()
    try:
        for content in (claim, packed_claim, bomb):
            with pytest.raises(DatasetError):
                formats.read_idx(content, 3)
        with pytest.raises(DatasetError):
            formats.read_npz(tall, "test")
        with pytest.raises(DatasetError, match="unfolds to more than 1000 bytes"):
            formats.gunzip(bomb, "bomb", limit=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_files_that_are_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(DatasetError):
            formats.read_idx(path, 3)
        with pytest.raises(DatasetError):
            formats.read_npz(path, "test")


def test_files_over_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_BYTES", 50)
    (tmp_path / "large").write_bytes(IDX)
    with pytest.raises(DatasetError, match="76 bytes; at most 50"):
        formats.read_idx(tmp_path / "large", 3)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.booleans())
def test_mutated_idx_is_whole_or_refused(data: st.DataObject, packed: bool) -> None:
    original = gzip.compress(IDX, mtime=0) if packed else IDX
    content = mutated(data, original)
    try:
        array = formats.read_idx(content, 3)
    except DatasetError:
        return
    plain = gzip.decompress(content) if content[:2] == formats.GZIP_MAGIC else content
    assert formats.write_idx(array) == plain  # every byte is accounted for


@settings(max_examples=300, deadline=None)
@given(st.data(), st.booleans())
def test_mutated_npz_is_whole_or_refused(data: st.DataObject, stored: bool) -> None:
    members = {"images.npy": npy(IMAGES), "labels.npy": npy(LABELS)}
    content = mutated(data, zipped(members, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED))
    try:
        images, labels, _ = formats.read_npz(content, "test")
    except DatasetError:
        return
    assert images.shape == IMAGES.shape and (images == IMAGES).all()  # the checksums let no other content through
    assert (labels == LABELS).all()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mutated_arrays_with_right_checksums(data: st.DataObject) -> None:
    members = {"images.npy": mutated(data, npy(IMAGES)), "labels.npy": npy(LABELS)}
    try:
        images, labels, _ = formats.read_npz(zipped(members), "test")
    except DatasetError:
        return
    assert images.dtype == np.uint8 and images.ndim == 3 and len(images) == len(labels) == 3
    assert images.size == len(members["images.npy"]) - 128


def mutated(data: st.DataObject, original: bytes) -> bytes:
    """Change bytes, cut, insert or repeat: at least one of them."""
    content = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        match data.draw(st.sampled_from(["change", "cut", "insert", "drop"])):
            case "change" if content:
                content[place] ^= data.draw(st.integers(1, 255))
            case "cut":
                del content[place:]
            case "insert":
                content[place:place] = data.draw(st.binary(min_size=1, max_size=4))
            case _:
                del content[place : place + 2]
    return bytes(content)


def test_npz_layouts(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(npz(images=IMAGES, labels=LABELS.astype(np.int64), names=np.array(["a", "b", "c"])))
    images, labels, _ = formats.read_npz(path, "train")
    assert (images == IMAGES).all() and labels.dtype == np.uint8 and labels.tolist() == [7, 0, 9]
    keras = npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:1] + 1, y_test=LABELS[:1])
    assert len(formats.read_npz(keras, "train")[0]) == 3
    assert (formats.read_npz(keras, "test")[0] == IMAGES[:1] + 1).all()


def test_npz_in_fortran_order_keeps_its_values() -> None:
    images, _, _ = formats.read_npz(npz(images=np.asfortranarray(IMAGES), labels=LABELS), "test")
    assert (images == IMAGES).all()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": IMAGES}, "does not hold"),
        ({"x_train": IMAGES, "y_train": LABELS}, "it holds: x_train, y_train"),
        ({"images": IMAGES, "labels": LABELS[:2]}, "3 images and 2 labels"),
        ({"images": IMAGES, "labels": np.array([1, 10, 2])}, "got 10 at position 1"),
        ({"images": IMAGES, "labels": np.array([1, 2, -1])}, "got -1 at position 2"),
        ({"images": IMAGES, "labels": np.array([1, 2, 1 << 40])}, "position 2"),
        ({"images": IMAGES, "labels": np.array([1.0, 2.0, 3.0])}, "expected integers"),
        ({"images": IMAGES, "labels": np.array(["1", "2", "3"])}, "expected integers"),
        ({"images": IMAGES, "labels": LABELS[:, None]}, r"expected labels of shape \(N,\)"),
        ({"images": IMAGES.astype(np.float32), "labels": LABELS}, "expected integers"),
        ({"images": IMAGES.astype(np.int64), "labels": LABELS}, "type uint8"),
        ({"images": IMAGES[0], "labels": LABELS}, r"shape \(N, H, W\)"),
        ({"images": IMAGES[:, :0], "labels": LABELS}, r"shape \(N, H, W\)"),
        ({"images": IMAGES, "labels": np.array([1, 2, None], dtype=object)}, "never read"),
        ({"images": IMAGES, "labels": np.zeros(3, [("a", "u1")])}, "no plain array"),
    ],
)
def test_npz_that_does_not_fit_is_refused(arrays: dict[str, NDArray], says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        formats.read_npz(npz(**arrays), "test")


class Trap:
    """Unpickling this leaves a mark."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("unpickled"),))


def test_pickled_objects_are_never_run() -> None:
    content = npz(images=IMAGES, labels=np.array([Trap()] * 3, dtype=object))
    with pytest.raises(DatasetError, match="Pickled objects are never read"):
        formats.read_npz(content, "test")
    assert not Path("unpickled").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a zip",
        npz(images=IMAGES, labels=LABELS)[:-30],
        zipped({"images.npy": b"", "labels.npy": b""}),
        zipped({"images.npy": b"\x93NUMPY\x01\x00\xff\xff", "labels.npy": npy(LABELS)}),
        zipped({"images.npy": npy(IMAGES)[:-1], "labels.npy": npy(LABELS)}),
        zipped({"images.npy": npy(IMAGES) + b"\0", "labels.npy": npy(LABELS)}),
        zipped({"images.npy": npy(IMAGES), "labels.npy": npy(LABELS)}, zipfile.ZIP_BZIP2),
        zipped({"images.npy": npy(IMAGES).replace(b"(3, 4, 5)", b"(-3,-4,5)"), "labels.npy": npy(LABELS)}),
        zipped({"images.npy": npy(IMAGES).replace(b"3, 4, 5)", b"9" * 7 + b")"), "labels.npy": npy(LABELS)}),
    ],
    ids=["empty", "text", "cut", "no arrays", "no header", "short", "long", "bzip2", "negative", "huge"],
)
def test_malformed_npz_is_refused(content: bytes) -> None:
    with pytest.raises(DatasetError):
        formats.read_npz(content, "test")
