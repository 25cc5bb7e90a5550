"""What is measured of a dataset, and what `inkdigits data` shows of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from inkdigits import load_dataset
from inkdigits.datasets import Dataset, formats
from inkdigits.errors import DatasetError
from inkdigits.exploration import explore, measures, page

YY, XX = np.mgrid[:28, :28] - 13.5


def ring(width: float, radius: float = 8.0) -> NDArray[np.uint8]:
    """A circle drawn with soft edges: a stroke without ends."""
    away = np.abs(np.hypot(YY, XX) - radius)
    return np.rint(np.clip(width / 2 - away + 0.5, 0, 1) * 255).astype(np.uint8)


def bars(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Strokes that differ a little in place, slant and width, each of its own."""
    random = np.random.default_rng(seed)
    shift, slant, width = random.normal(0, 1.5, count), random.normal(0, 0.15, count), random.uniform(2, 4, count)
    away = np.abs(XX - shift[:, None, None] - slant[:, None, None] * YY)
    inside = np.clip(width[:, None, None] / 2 - away + 0.5, 0, 1) * (np.abs(YY) < 9)
    return np.rint(inside * 255).astype(np.uint8)


def dataset(images: NDArray[np.uint8], labels: list[int], name: str = "toy") -> Dataset:
    return Dataset(images, np.array(labels, np.uint8), name)


# ---- measures


@pytest.mark.parametrize(("width", "within"), [(1.5, 0.15), (2.0, 0.06), (3.0, 0.06), (4.5, 0.06), (6.0, 0.06)])
def test_stroke_width_of_known_strokes(width: float, within: float) -> None:
    assert measures.stroke_width(ring(width)[None])[0] == pytest.approx(width, rel=within)


def test_stroke_width_does_not_depend_on_how_dark_the_ink_is() -> None:
    dark, pale = ring(3.0), ring(3.0) // 2
    widths = measures.stroke_width(np.stack([dark, pale]))
    assert widths[1] == pytest.approx(widths[0], rel=0.01)


def test_ink_counts_full_pixels() -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    images[1, 3:5, 6] = 255
    images[2, 3, 6] = 51
    assert measures.ink(images).tolist() == pytest.approx([0, 2, 0.2])
    assert measures.stroke_width(images)[0] == 0


def test_mean_and_spread_are_numpys() -> None:
    images = bars(50)
    mean, spread = measures.mean_and_spread(images)
    assert np.allclose(mean, (images / 255).mean(0), atol=1e-5)
    assert np.allclose(spread, (images / 255).std(0), atol=1e-3)


@pytest.mark.parametrize("rank", [1, 5, 99])
@pytest.mark.parametrize("separate", [False, True])
def test_neighbors_agree_with_all_distances(rank: int, separate: bool) -> None:
    random = np.random.default_rng(3)
    points = random.normal(size=(40, 6)).astype(np.float32)
    others = random.normal(size=(30, 6)).astype(np.float32) if separate else None
    full = np.linalg.norm(points[:, None] - (points if others is None else others)[None], axis=2)
    if others is None:
        np.fill_diagonal(full, np.inf)
    ranked, nearest, index = measures.neighbors(points, others, rank)
    ordered = np.sort(full, axis=1)
    available = 30 if separate else 39
    assert np.allclose(ranked, ordered[:, min(rank, available) - 1], atol=1e-4)
    assert np.allclose(nearest, ordered[:, 0], atol=1e-4) and (index == full.argmin(1)).all()


def test_a_large_class_is_compared_with_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_REFERENCE", 10)
    points = np.random.default_rng(4).normal(size=(40, 3)).astype(np.float32)
    _, nearest, index = measures.neighbors(points)
    assert (index % 4 == 0).all() and (index != np.arange(40)).all()
    assert np.allclose(nearest, np.linalg.norm(points - points[index], axis=1), atol=1e-4)


def test_distances_in_the_basis_are_those_of_the_pixels_when_it_holds_everything() -> None:
    images = bars(20)  # 20 images span fewer dimensions than there are components
    points = measures.Basis.of(images).features(images)
    pixels = images.reshape(20, -1) / 255
    assert np.linalg.norm(points[3] - points[7]) == pytest.approx(np.linalg.norm(pixels[3] - pixels[7]), rel=1e-3)


def test_difference_goes_from_same_to_nothing_in_common() -> None:
    a, b = np.zeros((1, 28, 28), np.uint8), np.zeros((1, 28, 28), np.uint8)
    assert measures.difference(a, b)[0] == 0
    a[0, 2, 2] = b[0, 9, 9] = 200
    assert measures.difference(a, a)[0] == 0
    assert measures.difference(a, b)[0] == pytest.approx(2**0.5)


# ---- explore


def test_planted_duplicates_are_found() -> None:
    images = bars(60)
    images[41] = images[5]  # the same, the same label
    images[42] = images[6]  # the same, another label
    images[36] = ring(2.0)  # by chance much like image 10
    images[7] = np.maximum(images[8], 1)  # nearly the same: paper one level up everywhere
    labels = [1] * 42 + [7] * 18
    other = bars(30, seed=9)
    other[11] = images[20]
    other[12] = images[50]  # a 7 here, a 1 there
    found = explore(dataset(images, labels), dataset(other, [1] * 30, "other")).duplicates
    assert found.groups == ((5, 41), (6, 42))
    assert found.between == ((20, 11), (50, 12))
    assert found.conflicting == 2
    assert found.near == 1
    assert (found.closest[0].first, found.closest[0].second) == (7, 8)
    assert all(pair.difference > 0 for pair in (*found.closest, *found.closest_between))
    assert found.near_between == sum(pair.difference < 0.1 for pair in found.closest_between)


def test_an_odd_one_out_is_the_most_atypical() -> None:
    images = np.concatenate([bars(40), bars(40, seed=1)])
    images[17] = ring(2.0)
    result = explore(dataset(images, [1] * 40 + [4] * 40))
    assert result.classes[1].atypical[0].index == 17
    distances = [odd.distance for odd in result.classes[1].atypical]
    assert distances == sorted(distances, reverse=True) and distances[0] > 1.2 * distances[1]


def test_numbers_of_a_small_set() -> None:
    images = np.zeros((4, 28, 28), np.uint8)
    images[:, 10:14, 10:12] = 255
    images[3, 20, 20] = 51
    images[3, 0, 0] = 0
    result = explore(dataset(images, [3, 3, 3, 8]))
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["counts"] == [0, 0, 0, 3, 0, 0, 0, 0, 1, 0] and document["n"] == 4
    assert document["balance"] is None
    assert document["pixels"]["mean"] == pytest.approx((4 * 8 + 0.2) / (4 * 784), abs=1e-6)
    assert document["pixels"]["sd"] == pytest.approx((images / 255).std(), abs=1e-6)
    assert document["pixels"]["full"] == pytest.approx(32 / (4 * 784), abs=1e-6)
    assert document["pixels"]["paper"] == pytest.approx(1 - 33 / (4 * 784), abs=1e-6)
    assert document["classes"][3]["ink"]["mean"] == 8 and document["classes"][0]["ink"] is None
    assert document["duplicates"]["groups"] == [[0, 1, 2]]


@pytest.mark.parametrize("count", [1, 2])
def test_the_smallest_sets(count: int) -> None:
    result = explore(dataset(bars(count), [5] * count), dataset(bars(1), [5], "other"))
    json.dumps(result.to_dict(), allow_nan=False)
    assert result.duplicates.between == ((0, 0),) or count == 2
    assert page.render(result)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(DatasetError, match="holds no images"):
        explore(dataset(np.zeros((0, 28, 28), np.uint8), []))


def test_dark_ink_on_light_paper_is_normalized_first() -> None:
    images = np.stack([255 - np.kron(image, np.ones((3, 3), np.uint8)) for image in bars(6)])
    result = explore(dataset(images, [1] * 6))
    assert result.normalized and result.images.shape == (6, 28, 28)
    assert result.summary.pixels.paper > 0.5
    assert not explore(dataset(bars(6), [1] * 6)).normalized


def test_mnist_is_what_is_known_of_it(mnist: Path) -> None:
    train, test = load_dataset("mnist", "train"), load_dataset("mnist", "test")
    result = explore(train, test)
    assert result.summary.counts == (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    assert result.other is not None and result.other.counts == (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    assert result.summary.pixels.mean == pytest.approx(0.1307, abs=5e-5)
    assert result.summary.pixels.sd == pytest.approx(0.3081, abs=5e-5)
    found = result.duplicates
    assert found.groups == () and found.between == () and found.near == found.near_between == 0
    assert min(range(10), key=lambda digit: result.classes[digit].ink.mean) == 1
    assert max(range(10), key=lambda digit: result.classes[digit].ink.mean) == 0
    assert 2 < result.summary.stroke_width.mean < 3.5


# ---- the page and the command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small set with both splits, as IDX files."""
    made = tmp_path / "little <set>"
    made.mkdir()
    for prefix, count, seed in (("train", 40, 0), ("t10k", 20, 1)):
        labels = np.arange(count, dtype=np.uint8) % 10
        (made / f"{prefix}-images-idx3-ubyte").write_bytes(formats.write_idx(bars(count, seed)))
        (made / f"{prefix}-labels-idx1-ubyte").write_bytes(formats.write_idx(labels))
    return made


def invoke(*arguments: str) -> tuple[int, str, str]:
    from inkdigits.cli import app

    result = CliRunner().invoke(app, ["data", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_page_stands_alone(folder: Path) -> None:
    html = page.render(explore(load_dataset(folder, "train"), load_dataset(folder, "test")))
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", html)
    for title in ("Samples", "Class balance", "Mean and spread", "Ink", "Stroke width", "atypical", "Duplicates"):
        assert title in html
    assert html.count("<svg") == 3 and html.count("<img") >= 20
    assert all('alt="' in tag for tag in re.findall(r"<img[^>]*>", html))
    assert "little <set>" not in html and "little &lt;set&gt;" in html


def test_the_command_prints_and_draws(folder: Path) -> None:
    code, out, _ = invoke(str(folder), "--report", "seen")
    assert code == 0
    assert "40 images" in out and "█" in out and "seen/index.html" in out
    assert "Compared with" in out
    assert Path("seen/index.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_is_one_document_and_nothing_else(folder: Path) -> None:
    code, out, _ = invoke(str(folder), "--split", "test", "--json")
    document = json.loads(out)
    assert code == 0 and document["n"] == 20 and document["other"]["n"] == 40
    assert document["counts"] == [2] * 10 and document["balance"] == 1
    assert Path(document["report"]).is_file()


def test_wrong_usage_and_failed_work(folder: Path, tmp_path: Path) -> None:
    assert invoke(str(folder), "--split", "all")[0] == 2
    assert invoke(str(folder), "--from", str(tmp_path))[0] == 2
    with pytest.raises(DatasetError, match="does not exist"):
        invoke("nowhere")
    with pytest.raises(DatasetError, match="--from FOLDER"):
        invoke("mnist", "--from", str(tmp_path))


def test_without_matplotlib_there_are_numbers_but_no_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inkdigits.errors import MissingExtraError

    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    code, out, err = invoke(str(folder), "--json")
    assert code == 0 and json.loads(out)["report"] is None
    assert "inkdigits[train]" in err.replace("\n", "")
    with pytest.raises(MissingExtraError):
        invoke(str(folder), "--report", "seen")
