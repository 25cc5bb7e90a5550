"""That MNIST is MNIST, what a Dataset promises, and folders of your own."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits import images, load_dataset, preprocess
from inkdigits.datasets import SPLIT_SEED, Dataset, formats, last_split, stratified_split
from inkdigits.errors import DatasetError

# As published for the four files, uncompressed.
TRAIN_IMAGES = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
TRAIN_LABELS = "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
TEST_IMAGES = "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
TEST_LABELS = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ---- the real MNIST


@pytest.mark.parametrize(
    ("split", "count", "pixels", "labels", "content"),
    [
        (
            "train",
            60_000,
            TRAIN_IMAGES,
            TRAIN_LABELS,
            "381147619199cca3eac7e2f4f318a330620c04372cea0780412d686b03315acb",
        ),
        ("test", 10_000, TEST_IMAGES, TEST_LABELS, "1d3fb8aab0c5"),
    ],
    ids=["train", "test"],
)
def test_the_splits_are_exactly_the_standard_ones(
    mnist: Path, split: str, count: int, pixels: str, labels: str, content: str
) -> None:
    dataset = load_dataset("mnist", split)
    assert dataset.images.shape == (count, 28, 28) and dataset.labels.shape == (count,)
    assert sha256(formats.write_idx(dataset.images)) == pixels
    assert sha256(formats.write_idx(dataset.labels)) == labels
    assert dataset.name == f"mnist/{split}" and dataset.sha256.startswith(content)


def test_the_cache_holds_the_four_files_unpacked(mnist: Path) -> None:
    found = {path.name: sha256(path.read_bytes()) for path in (mnist / "mnist").iterdir()}
    assert found == {
        "train-images-idx3-ubyte": TRAIN_IMAGES,
        "train-labels-idx1-ubyte": TRAIN_LABELS,
        "t10k-images-idx3-ubyte": TEST_IMAGES,
        "t10k-labels-idx1-ubyte": TEST_LABELS,
    }


def test_the_validation_split_never_changes(mnist: Path) -> None:
    train = load_dataset("mnist", "train")
    training, validation = stratified_split(train)
    assert (len(training), len(validation)) == (55_000, 5_000)
    share = np.bincount(validation.labels) / np.bincount(train.labels)
    assert np.ptp(share) < 1 / 5000  # every class in its proportion, up to one image
    assert validation.sha256.startswith("a97e65a9f590")  # of the content: other images or another order would differ
    assert stratified_split(train, seed=SPLIT_SEED + 1)[1].sha256 != validation.sha256


# ---- Dataset and stratified_split


def toy(labels: list[int], side: int = 28) -> Dataset:
    pixels = np.arange(len(labels) * side * side, dtype=np.uint32).astype(np.uint8).reshape(-1, side, side)
    return Dataset(pixels, np.array(labels, np.uint8), "toy")


def test_a_dataset_cannot_be_changed() -> None:
    dataset = toy([1, 2])
    with pytest.raises(ValueError):
        dataset.images[0] = 0
    with pytest.raises(ValueError):
        dataset.labels[0] = 0
    with pytest.raises(AttributeError):
        dataset.name = "other"  # type: ignore[misc]


def test_the_hash_is_of_the_content_and_shape() -> None:
    assert toy([1, 2]).sha256 == toy([1, 2]).sha256 != toy([2, 1]).sha256
    flat = Dataset(np.zeros((2, 2, 8), np.uint8), np.array([1, 2], np.uint8), "a")
    square = Dataset(np.zeros((2, 4, 4), np.uint8), np.array([1, 2], np.uint8), "a")
    assert flat.sha256 != square.sha256


@pytest.mark.parametrize(
    ("shape", "labels", "paths"),
    [
        ((2, 28, 28), [1], None),
        ((2, 28), [1, 2], None),
        ((1, 28, 28), [10], None),
        ((2, 28, 28), [1, 2], ("one",)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(shape: tuple, labels: list[int], paths: tuple | None) -> None:
    with pytest.raises(DatasetError):
        Dataset(np.zeros(shape, np.uint8), np.array(labels), "wrong", paths=paths)


def test_subset_keeps_images_labels_and_paths_together() -> None:
    whole = toy([5, 6, 7])
    named = Dataset(whole.images, whole.labels, "toy", paths=("a", "b", "c"))
    part = named.subset([2, 0])
    assert part.labels.tolist() == [7, 5] and part.paths == ("c", "a")
    assert (part.images == whole.images[[2, 0]]).all() and part.sha256 != named.sha256
    assert named.subset(np.array([False, True, False])).paths == ("b",)
    assert len(named.subset([])) == 0


def test_stratified_split_is_a_partition_in_proportion() -> None:
    whole = toy([0] * 70 + [1] * 20 + [2] * 10, side=4)
    training, validation = stratified_split(whole, 15)
    assert np.bincount(validation.labels).tolist() == [11, 3, 1]  # 10.5, 3, 1.5: the first remainder gets the place
    rows = {image.tobytes() for image in whole.images}
    kept, held = ({image.tobytes() for image in part.images} for part in (training, validation))
    assert len(training) == 85 and kept | held == rows
    assert np.all(np.diff(training.labels.astype(int)) >= 0)  # order is kept


def test_last_split_holds_back_the_end_of_the_data() -> None:
    whole = toy([5, 1, 4, 1, 3], side=4)
    training, validation = last_split(whole, 2)
    assert training.labels.tolist() == [5, 1, 4] and validation.labels.tolist() == [1, 3]
    assert np.array_equal(np.concatenate([training.images, validation.images]), whole.images)
    assert (training.name, validation.name) == ("toy[training]", "toy[validation]")


def test_the_last_images_of_mnist_are_for_validation(mnist: Path) -> None:
    train = load_dataset("mnist", "train")
    training, validation = last_split(train)
    assert (len(training), len(validation)) == (55_000, 5_000)
    assert np.array_equal(validation.images, train.images[55_000:])


@pytest.mark.parametrize("split", [stratified_split, last_split])
@pytest.mark.parametrize("size", [0, -1, 3, 100])
def test_an_impossible_validation_size_is_refused(split: Callable[..., object], size: int) -> None:
    with pytest.raises(DatasetError, match="1 to 2"):
        split(toy([1, 2, 3]), size)


@pytest.mark.parametrize(
    ("name", "split", "says"),
    [
        ("mnist", "validation", "train, test"),
        ("fashion", "test", "'fashion', which does not exist"),
    ],
)
def test_unknown_names_are_refused(name: str, split: str, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        load_dataset(name, split)


def test_npz_files_load_by_path(tmp_path: Path) -> None:
    dataset = toy([3, 4])
    np.savez(tmp_path / "own.npz", images=dataset.images, labels=dataset.labels)
    loaded = load_dataset(tmp_path / "own.npz")
    assert loaded.name == "own" and loaded.sha256 == dataset.sha256
    x, y = dataset.images, dataset.labels
    np.savez(tmp_path / "both.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    assert load_dataset(tmp_path / "both.npz", "train").name == "both/train"
    with pytest.raises(DatasetError, match="source folder"):
        load_dataset(tmp_path / "own.npz", source=tmp_path)


# ---- folders of pictures


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Drawn digits: folders 1 and 7 with dark ink on white, of different sizes."""
    folder = tmp_path / "own"
    for digit, name, size in ((7, "b.png", 90), (1, "a.png", 60), (1, "deep/c.jpg", 120)):
        picture = np.full((size, size + 10), 255, np.uint8)
        picture[10 : size - 10, size // 2 : size // 2 + 6] = 20
        if digit == 7:
            picture[10:16, 20 : size // 2] = 20
        path = folder / str(digit) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    (folder / "1" / ".hidden.png").write_bytes(b"x")
    (folder / "1" / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_is_what_classify_sees(pictures: Path) -> None:
    dataset = load_dataset(pictures)
    assert dataset.paths == ("1/a.png", "1/deep/c.jpg", "7/b.png")
    assert dataset.labels.tolist() == [1, 1, 7] and dataset.name == "own"
    assert dataset.images.shape == (3, 28, 28)
    for image, path in zip(dataset.images, dataset.paths, strict=True):
        seen = preprocess.normalize(images.to_pixels(pictures / path)).seen
        assert image.max() > 128 and (image.astype(np.float32) / 255 == seen).all()


@pytest.mark.parametrize("header", ["path,label\n", "Label, Path,writer\n", "", "\ufeffpath,label\n"])
def test_a_csv_gives_the_same(pictures: Path, header: str) -> None:
    rows = [("1/a.png", 1), ("1/deep/c.jpg", 1), ("7/b.png", 7)]
    lines = [f"{label},{path},me" if "writer" in header else f"{path}, {label}" for path, label in rows]
    table = pictures / "own.csv"
    table.write_text(header + "\n".join(lines) + "\n\n", encoding="utf-8")
    assert load_dataset(table).sha256 == load_dataset(pictures).sha256
    assert load_dataset(table).paths == load_dataset(pictures).paths


def test_a_folder_with_a_csv_alone(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "any.csv").write_text("path,label\n../own/7/b.png,7\n")
    dataset = load_dataset(tmp_path / "listed")
    assert dataset.labels.tolist() == [7] and dataset.name == "listed"


def test_unreadable_pictures_are_all_named(pictures: Path) -> None:
    (pictures / "7" / "broken.png").write_bytes((pictures / "7" / "b.png").read_bytes()[:60])
    (pictures / "1" / "text.png").write_text("no picture")
    with pytest.raises(DatasetError, match="2 of the 5 pictures") as caught:
        load_dataset(pictures)
    assert "broken.png" in str(caught.value) and "text.png" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,label\na.png,x\n", "line 2: 'a.png,x'"),
        ("path,label\na.png,12\n", "line 2"),
        ("path,label\na.png\n", "line 2"),
        ("path,label\n", "lists no pictures"),
        ("", "lists no pictures"),
        ("missing.png,3\n", "missing.png"),
        ('"a.png,3\n', "not a CSV file"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DatasetError, match=says):
        load_dataset(tmp_path)


def test_folders_that_are_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not laid out as a dataset"):
        load_dataset(tmp_path)
    (tmp_path / "3").mkdir()
    with pytest.raises(DatasetError, match="hold no pictures"):
        load_dataset(tmp_path)


def test_a_folder_with_splits(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    pictures.rename(tmp_path / "set" / "train")
    assert load_dataset(tmp_path / "set", "train").name == "set/train"
    with pytest.raises(DatasetError, match="no folder 'test'"):
        load_dataset(tmp_path / "set", "test")


def test_a_folder_of_idx_files(tmp_path: Path) -> None:
    for prefix, count in (("train", 20), ("t10k", 10)):
        pixels = formats.write_idx(np.full((count, 28, 28), count, np.uint8))
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(pixels))
        labels = formats.write_idx(np.arange(count, dtype=np.uint8) % 10)
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    train, test = load_dataset(tmp_path, "train"), load_dataset(tmp_path, "test")
    assert (len(train), len(test)) == (20, 10) and (test.images == 10).all()
    assert train.name.endswith("/train") and test.name.endswith("/test")
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(formats.write_idx(np.zeros(9, np.uint8)))
    with pytest.raises(DatasetError, match="10 images and 9 labels"):
        load_dataset(tmp_path, "test")
