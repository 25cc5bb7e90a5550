"""Readers and a writer of dataset files: IDX (the format of MNIST, plain or gzipped) and NPZ.

A reader either returns everything the file says it holds or raises `DatasetError`: never a part, never a crash. What a
header claims is checked against the bytes that came before memory is taken for it, and nothing is ever unpickled.

Format of IDX: two zero bytes, a type byte (8: unsigned byte), the number of dimensions, each dimension as a big-endian
32-bit integer, then the values, last dimension fastest (LeCun, Cortes and Burges, "The MNIST database", 1998).
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DatasetError

MAX_BYTES = 1 << 30
"""No file, and no array inside one, may be larger than this: 1 GiB, about 1.3 million images of 28x28."""

GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_DEFLATE_RATIO = 1032  # no deflate stream can unfold to more than this many times its size (zlib's technical notes)
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(ValueError, RuntimeError, NotImplementedError),  # names that are no text, encryption, unknown versions
)
_NPY_HEADER = re.compile(rb"\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \}\s*")


def read_idx(source: Path | bytes, dimensions: int, name: str | None = None) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    Args:
        source: The file, or its bytes.
        dimensions: How many dimensions it must have: 3 for images, 1 for labels.
        name: What to call it in errors; by default the file's path.

    Returns:
        A read-only uint8 array of exactly the shape in the header.

    Raises:
        DatasetError: The file is missing, too large, or malformed in any way.
    """
    name = name or (str(source) if isinstance(source, Path) else "the IDX data")
    data = _content(source, name)
    header = 4 + 4 * dimensions
    if data[:2] == GZIP_MAGIC:
        # First the header alone: it bounds what the rest may unfold to.
        shape = _idx_shape(_gzip_start(data, header, name), dimensions, name)
        data = gunzip(data, name, limit=header + min(math.prod(shape), MAX_BYTES))
    else:
        shape = _idx_shape(data[:header], dimensions, name)
    size = math.prod(shape)  # Python integers: dimensions that would overflow 64 bits do not overflow here
    if size != len(data) - header:
        raise DatasetError(
            f"{name} is {'cut short' if size > len(data) - header else 'too long'}: its header promises "
            f"{' x '.join(map(str, shape))} = {size} values, {len(data) - header} bytes follow."
        )
    return np.frombuffer(data, np.uint8, size, header).reshape(shape)


def _idx_shape(start: bytes, dimensions: int, name: str) -> tuple[int, ...]:
    """The dimensions that an IDX header states."""
    header = 4 + 4 * dimensions
    if len(start) < header:
        raise DatasetError(f"{name} is cut short: expected an IDX header of {header} bytes, got {len(start)} in all.")
    expected = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if start[:4] != expected:
        raise DatasetError(
            f"{name} is not an IDX file of {dimensions}-dimensional unsigned bytes: "
            f"expected it to begin with {expected.hex(' ')}, got {start[:4].hex(' ')}."
        )
    return struct.unpack(f">{dimensions}I", start[4:])


def write_idx(array: NDArray[np.uint8]) -> bytes:
    """The bytes of an uncompressed IDX file that holds `array`, a uint8 array of 1 to 255 dimensions."""
    if array.dtype != np.uint8 or not 1 <= array.ndim <= 255 or max(array.shape) >= 1 << 32:
        raise DatasetError(f"IDX holds uint8 arrays here; got {array.dtype} of shape {array.shape}.")
    header = bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + np.ascontiguousarray(array).tobytes()


def gunzip(data: bytes, name: str, limit: int = MAX_BYTES) -> bytes:
    """Unfold one gzip stream of at most `limit` bytes; its checksum is verified.

    Raises:
        DatasetError: Damaged, cut short, followed by other bytes, or larger than `limit` when unfolded.
    """
    stream = zlib.decompressobj(wbits=31)
    plain = _unfold(stream, data, min(limit, len(data) * _DEFLATE_RATIO) + 1, name)
    if len(plain) > limit:
        raise DatasetError(f"{name} is too long: it unfolds to more than {limit} bytes.")
    if not stream.eof:
        raise DatasetError(f"{name} is cut short: its gzip stream has no end. Fetch it again.")
    if stream.unused_data:
        raise DatasetError(f"{name} holds {len(stream.unused_data)} bytes behind the end of its gzip stream.")
    return plain


def _gzip_start(data: bytes, length: int, name: str) -> bytes:
    return _unfold(zlib.decompressobj(wbits=31), data, length, name)


def _unfold(stream: Any, data: bytes, most: int, name: str) -> bytes:
    try:
        plain: bytes = stream.decompress(data, most)
    except zlib.error as error:
        raise DatasetError(f"{name} is a damaged gzip file ({error}). Fetch it again.") from None
    return plain


def read_npz(
    source: Path | bytes, split: str, name: str | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], bool]:
    """Read images and labels from an NPZ file.

    Two layouts are known: `images` and `labels`; and `x_train`, `y_train`, `x_test`, `y_test` (that of Keras'
    mnist.npz), where `split` picks the pair.

    Args:
        source: The file, or its bytes.
        split: "train" or "test"; only the second layout looks at it.
        name: What to call it in errors; by default the file's path.

    Returns:
        Images (N, H, W) uint8, labels (N,) uint8 of 0 to 9, and whether the file has splits.

    Raises:
        DatasetError: The file is missing, too large, malformed, holds pickled objects, or the arrays do not fit.
    """
    name = name or (str(source) if isinstance(source, Path) else "the NPZ data")
    try:
        with zipfile.ZipFile(io.BytesIO(_content(source, name))) as archive:
            members = {Path(info.filename).stem: info for info in archive.infolist() if info.filename.endswith(".npy")}
            for x, y in (("images", "labels"), (f"x_{split}", f"y_{split}")):
                if x in members and y in members:
                    images = _member(archive, members[x], f"{name}, array '{x}'")
                    labels = _member(archive, members[y], f"{name}, array '{y}'")
                    return *check_pair(images, labels, name), x != "images"
    except _ZIP_ERRORS as error:
        raise DatasetError(f"{name} is a damaged or unusual NPZ file ({error}).") from None
    raise DatasetError(
        f"{name} does not hold the arrays 'images' and 'labels', nor 'x_{split}' and 'y_{split}'; "
        f"it holds: {', '.join(sorted(members)[:20]) or 'none'}."
    )


def check_pair(images: NDArray[Any], labels: NDArray[Any], name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Check that images and labels belong together, and return them as uint8.

    Args:
        images: Must be (N, H, W) uint8 with H and W of at least 1.
        labels: Must be (N,) integers of 0 to 9, of any integer type.
        name: What to call the dataset in errors.

    Raises:
        DatasetError: A wrong type or shape, a label out of range, or counts that differ.
    """
    if images.dtype != np.uint8 or images.ndim != 3 or 0 in images.shape[1:]:
        raise DatasetError(
            f"{name}: expected images of shape (N, H, W) and type uint8, got {images.shape} and {images.dtype}."
        )
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DatasetError(
            f"{name}: expected labels of shape (N,) and an integer type, got {labels.shape} and {labels.dtype}."
        )
    if len(images) != len(labels):
        raise DatasetError(f"{name}: expected one label per image, got {len(images)} images and {len(labels)} labels.")
    wrong = np.flatnonzero((labels < 0) | (labels > 9))
    if wrong.size:
        raise DatasetError(
            f"{name}: expected labels of 0 to 9, got {int(labels[wrong[0]])} at position {int(wrong[0])} "
            f"({wrong.size} out of range)."
        )
    return images, labels.astype(np.uint8)


def read_bounded(path: Path) -> bytes:
    """All bytes of a plain file of at most `MAX_BYTES`.

    Raises:
        DatasetError: It does not exist, is no plain file, cannot be read, or is too large.
    """
    try:
        if not path.is_file():
            raise DatasetError(
                f"Expected a file at {path}; there is {'none' if not path.exists() else 'something else'}."
            )
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DatasetError(f"{path} has {size} bytes; at most {MAX_BYTES} are read.")
        with path.open("rb") as stream:
            return stream.read(size)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise DatasetError(f"{path} cannot be read: {error}") from None


def _content(source: Path | bytes, name: str) -> bytes:
    data = read_bounded(source) if isinstance(source, Path) else source
    if len(data) > MAX_BYTES:
        raise DatasetError(f"{name} has {len(data)} bytes; at most {MAX_BYTES} are read.")
    return data


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    """One array of an NPZ file, its header checked against the member's size before the values are unfolded."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DatasetError(f"{name} is compressed in a way that NPZ files do not use. Save it with numpy.savez.")
    if info.file_size > min(MAX_BYTES, info.compress_size * _DEFLATE_RATIO):
        raise DatasetError(f"{name} claims {info.file_size} bytes, more than it can hold or than {MAX_BYTES}.")
    with archive.open(info) as stream:
        shape, fortran, dtype, header = _npy_header(stream, name)
        expected = math.prod(shape) * dtype.itemsize
        if expected != info.file_size - header:
            raise DatasetError(
                f"{name}: its header promises {expected} bytes of values, {info.file_size - header} follow."
            )
        values = stream.read()  # checks the member's CRC
    if len(values) != expected:
        raise DatasetError(f"{name} is cut short: expected {expected} bytes of values, got {len(values)}.")
    return np.frombuffer(values, dtype).reshape(shape, order="F" if fortran else "C")


def _npy_header(stream: Any, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, Fortran order, type, and the header's own length in bytes. Only what NumPy itself writes is accepted."""
    start = stream.read(8)
    width = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}.get(start, 0)
    length = int.from_bytes(stream.read(width), "little")
    match = _NPY_HEADER.fullmatch(stream.read(length)) if 0 < length <= 0xFFFF else None
    if match is None:
        raise DatasetError(f"{name} is no plain array as numpy.savez writes it.")
    kind = match[1].decode("latin-1")
    if not re.fullmatch("[<>|=]?[iu][1248]", kind):
        raise DatasetError(f"{name}: expected integers, got the type '{kind}'. Pickled objects are never read.")
    sizes = [part.strip() for part in match[3].split(b",") if part.strip()]
    if any(len(part) > 10 or not part.isdigit() for part in sizes):
        raise DatasetError(f"{name} has an impossible shape: ({match[3].decode()}).")
    return tuple(map(int, sizes)), match[2] == b"True", np.dtype(kind), 8 + width + length
