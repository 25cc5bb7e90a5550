"""The report as a file, and as a person has it: in a browser, on a phone, by keyboard, in print, without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from inkdigits import load_dataset
from inkdigits.cli import app
from inkdigits.evaluation import Evaluation, evaluate, figures, metrics
from inkdigits.evaluation.report import report_html
from scripted import evaluated, probabilities
from test_drawing import Reader


@pytest.fixture(scope="module")
def measured(trained: Path, data_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, Path]:
    """The evaluation of the trained bundle on 3,000 test digits, and the path of its report."""
    out = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(data_cache))
        data = load_dataset("mnist", "test").subset(np.arange(3000))
        return evaluate(trained, data, report=out / "deep" / "er"), out / "deep" / "er" / "index.html"


@pytest.fixture(scope="module")
def text(measured: tuple[Evaluation, Path]) -> str:
    return measured[1].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = Reader(text)
    assert reader.open == []  # everything is closed
    return reader.elements


def test_the_report_is_one_small_file_that_refers_to_nothing_else(
    measured: tuple[Evaluation, Path], text: str, elements: Any
) -> None:
    assert [path.name for path in measured[1].parent.iterdir()] == ["index.html"]
    assert len(text) < 5_000_000
    for tag, attributes in elements:
        for name in ("src", "href", "srcset", "action", "poster", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), (tag, name, value[:80])
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest", text)


def test_ids_are_unique_and_links_arrive(elements: Any) -> None:
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [attributes["href"][1:] for tag, attributes in elements if tag == "a"]
    assert len(targets) > 10 and set(targets) <= set(ids)


def test_headings_are_in_order(elements: Any) -> None:
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_picture_and_figure_has_words(elements: Any) -> None:
    images = [attributes for tag, attributes in elements if tag == "img"]
    figures_ = [attributes for tag, attributes in elements if tag == "svg"]
    assert len(images) > 20 and len(figures_) > 5
    assert all(attributes.get("alt") for attributes in images)
    assert all(attributes.get("role") == "img" and attributes.get("aria-label") for attributes in figures_)


def test_every_mistake_is_there_with_its_picture_label_answer_and_probabilities(
    measured: tuple[Evaluation, Path], text: str
) -> None:
    result = measured[0]
    assert result.errors > 5
    tiles = re.findall(r'<li(?: id="[^"]+")? data-index=.*?</li>', text, re.DOTALL)
    assert len(tiles) == result.errors
    found = {int(re.search(r'data-index="(\d+)"', tile)[1]): tile for tile in tiles}  # type: ignore[index]
    assert sorted(found) == result.mistakes.tolist()
    for index, tile in found.items():
        label, answer = int(result.labels[index]), int(result.predictions[index])
        assert f'data-true="{label}" data-answer="{answer}"' in tile
        assert f"A handwritten {label}, read as {answer}" in tile
        assert f"<strong>{label}</strong> read as <strong>{answer}</strong>" in tile
        shown = float(re.search(rf"Probabilities: {answer}: ([\d.]+) %", tile)[1])  # type: ignore[index]
        assert shown == pytest.approx(result.probabilities[index].max() * 100, abs=0.11)
        assert 'class="pixels ink"' in tile and "data:image/png" in tile
    confidences = [float(result.probabilities[index].max()) for index in found]
    assert confidences == sorted(confidences, reverse=True)


def test_the_numbers_of_the_report_are_those_of_the_evaluation(measured: tuple[Evaluation, Path], text: str) -> None:
    result = measured[0]
    assert f"{result.n - result.errors:,} of the 3,000 digits of mnist/test are read right" in text
    table = text.split('class="confusion"')[1].split("</table>")[0]
    rows = [re.findall(r"<td[^>]*>(?:<a[^>]*>)?(\d+)", row) for row in table.split("<tr>")[2:]]
    assert [[int(cell) for cell in row] for row in rows] == result.confusion.tolist()
    assert f"ECE {result.reliability.expected_calibration_error:.4f}" in text
    assert f"micro {result.micro.average_precision:.5f}" in text


def test_the_network_is_opened_up(text: str) -> None:
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", text)
    assert headings == [
        "Right and wrong, digit by digit",
        "Every mistake",
        "How far to trust it",
        "Precision and recall",
        "Training",
        "What it learned",
        "What it sees",
        "What it looks at",
        "How it arranges digits",
        "About this model",
    ]
    for pattern in (r"\d+ filters of 3 x 3", r"\d+ maps of \d+ x \d+", "Grad-CAM", "pictures arranged by t-SNE"):
        assert re.search(pattern, text), pattern


@pytest.mark.parametrize("wrong", [0, 1, 12])
def test_good_and_bad_models_without_a_bundle_get_a_report_too(wrong: int) -> None:
    labels = [digit % 10 for digit in range(40)]
    answers = [((label + (i < wrong)) % 10, 0.9 - i / 100) for i, label in enumerate(labels)]
    result = evaluated(labels, probabilities(answers), tuple(f"<{i}>.png" for i in range(40)))
    page = report_html(result)
    assert Reader(page).open == []
    assert page.count("data-index=") == wrong == result.errors
    assert ("There is none to show." in page) == (wrong == 0)
    assert "This model came without one." in page
    assert wrong == 0 or "&lt;0&gt;.png" in page


def test_a_model_that_is_always_wrong_and_sure_gets_a_report() -> None:
    result = evaluated([0, 1, 2], probabilities([(5, 1.0)] * 3))
    assert report_html(result).count("data-index=") == 3


@pytest.mark.parametrize(("threshold", "marked"), [(0.0, True), (0.5, True), (0.9, True), (0.999, False)])
def test_the_reject_threshold_is_in_sight_wherever_it_stands(threshold: float, marked: bool) -> None:
    confidences = np.linspace(0.005, 0.995, 100)
    figure = figures.coverage_figure(metrics.coverage_curve(confidences, confidences > 0.05), threshold)
    assert (f"reject below {threshold:.3f}" in figure) == marked


def test_bars_show_every_probability_to_those_who_listen() -> None:
    row = probabilities([(4, 0.7)], second=9)[0]
    bars = figures.bars(row, label=9, answer=4)
    assert 'aria-label="Probabilities: 4: 70.0 %, 9: 30.0 %, 0: 0.0 %"' in bars


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def small_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map of few points takes no time."""
    monkeypatch.setattr("inkdigits.evaluation.anatomy._POINTS", 100)


@pytest.mark.usefixtures("small_map")
def test_inspect_writes_a_page_and_its_figures(bundle: Path, mnist: Path, tmp_path: Path) -> None:
    digit = load_dataset("mnist", "test").images[2]
    Image.fromarray(255 - digit).resize((90, 90)).save(tmp_path / "one.png")
    result = run("inspect", str(bundle), str(tmp_path / "one.png"), "--out", str(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["prediction"]["digit"] == 1 and document["image"] == "one.png" and document["note"] is None
    files = [Path(name) for name in document["files"]]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [f.name for f in files] + ["index.html"]
    )
    for layer in document["convolutions"]:
        picture = Image.open(tmp_path / "out" / f"filters-{layer.replace('_', '-')}.png")
        assert min(picture.size) > 2 and len(picture.convert("RGB").getcolors(2**20) or []) > 10
    assert {"input.png", "embedding.svg", "probabilities.svg", "maps-logits.png"} <= {path.name for path in files}
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert Reader(page).open == [] and "What speaks for 1" in page


@pytest.mark.usefixtures("small_map")
def test_inspect_explains_another_digit_and_needs_no_picture(bundle: Path, mnist: Path, tmp_path: Path) -> None:
    result = run("inspect", str(bundle), "--out", str(tmp_path / "out"), "--digit", "3")
    assert result.exit_code == 0, result.output
    assert "mnist/test, image 0: 7" in result.stdout
    assert [path.name for path in (tmp_path / "out").glob("saliency*")] == ["saliency-1-for-3.png"]


def test_inspect_without_the_test_set_leaves_out_the_map(bundle: Path, mnist: Path, tmp_path: Path) -> None:
    Image.fromarray(load_dataset("mnist", "test").images[0]).save(tmp_path / "seven.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inkdigits.evaluation.dissection.load_dataset", no_data)
        result = run("inspect", str(bundle), str(tmp_path / "seven.png"), "--out", str(tmp_path / "out"))
        assert result.exit_code == 0, result.output
        assert "no map of the test images: no network" in " ".join(result.stderr.split())
        assert not (tmp_path / "out" / "embedding.svg").exists()


def no_data(*_: Any, **__: Any) -> None:
    from inkdigits.errors import DatasetError

    raise DatasetError("no network")


@pytest.mark.parametrize("kind", ["blank", "onnx", "missing"])
def test_inspect_says_what_it_needs(kind: str, bundle: Path, mnist: Path, tmp_path: Path) -> None:
    from inkdigits.errors import InkdigitsError

    blank = tmp_path / "blank.png"
    Image.new("L", (50, 50), 255).save(blank)
    given, words = {
        "blank": ([str(bundle), str(blank)], "no ink"),
        "onnx": ([str(bundle / "model.onnx")], "needs its Keras network"),
        "missing": (["nowhere"], "nowhere"),
    }[kind]
    result = run("inspect", *given, "--out", str(tmp_path / "out"))
    assert isinstance(result.exception, InkdigitsError) and words in str(result.exception)
    assert not (tmp_path / "out").exists()


# In a browser.


@pytest.fixture
def page(browser: Any, measured: tuple[Evaluation, Path]) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True, reduced_motion="reduce")
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(measured[1].as_uri())
    yield opened
    assert complaints == []
    context.close()


def visible(page: Any) -> list[tuple[int, int]]:
    return page.evaluate(
        "() => [...document.querySelectorAll('.gallery li')].filter((tile) => tile.checkVisibility())"
        ".map((tile) => [Number(tile.dataset.true), Number(tile.dataset.answer)])"
    )


def pairs(result: Evaluation) -> list[tuple[int, int]]:
    return [(int(result.labels[index]), int(result.predictions[index])) for index in result.mistakes]


def test_the_gallery_filters_by_keyboard_and_says_how_many(page: Any, measured: tuple[Evaluation, Path]) -> None:
    everything = pairs(measured[0])
    total = len(everything)
    status = page.locator(".filters output")
    assert status.get_attribute("aria-live") == "polite"
    assert status.inner_text() == f"Showing {total} of {total} mistakes."
    label, answer = everything[0]
    true_digit, read_as = page.get_by_label("True digit", exact=True), page.get_by_label("Read as", exact=True)
    true_digit.focus()
    page.keyboard.type(str(label))
    some = [pair for pair in everything if pair[0] == label]
    assert sorted(map(tuple, visible(page))) == sorted(some)
    assert status.inner_text() == f"Showing {len(some)} of {total} mistakes."
    read_as.select_option(str(answer))
    assert set(map(tuple, visible(page))) == {(label, answer)}
    true_digit.select_option(str(answer))
    read_as.select_option(str(answer))
    assert visible(page) == [] and status.inner_text() == "No mistake of this kind."
    page.get_by_role("button", name="Show all").press("Enter")
    assert len(visible(page)) == total


def test_a_number_of_the_confusion_matrix_leads_to_its_pictures(page: Any, measured: tuple[Evaluation, Path]) -> None:
    label, answer = pairs(measured[0])[0]
    count = int(measured[0].confusion[label, answer])
    page.get_by_role("link", name=f"{count}: {label} read as {answer}", exact=True).press("Enter")
    assert visible(page) == [[label, answer]] * count
    assert page.evaluate("document.activeElement.textContent") == "Every mistake"
    page.goto(page.url.split("#")[0] + f"#error-{label}-{answer}")  # and by its address
    assert visible(page) == [[label, answer]] * count


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390, 320])
def test_nothing_makes_the_page_scroll_sideways(
    browser: Any, measured: tuple[Evaluation, Path], width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page = context.new_page()
    page.goto(measured[1].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()


def test_without_scripts_all_mistakes_are_listed_and_no_dead_controls(
    browser: Any, measured: tuple[Evaluation, Path]
) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(measured[1].as_uri())
    assert page.locator(".gallery li").count() == measured[0].errors
    assert all(tile.is_visible() for tile in page.locator(".gallery li").all()[:5])
    assert not page.locator(".filters").is_visible()
    context.close()


def test_text_and_figures_can_be_read_in_light_dark_and_print(browser: Any, measured: tuple[Evaluation, Path]) -> None:
    context = browser.new_context(offline=True)
    page = context.new_page()
    for media in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"media": "print", "color_scheme": "dark"}):
        page.emulate_media(**media)
        page.goto(measured[1].as_uri())
        found = page.evaluate(
            "() => { const of = (selector, name) => getComputedStyle(document.querySelector(selector))[name];"
            " return { paper: of('body', 'backgroundColor'), ink: of('p', 'color'),"
            " muted: of('figcaption', 'color'), plot: of('svg.plot text', 'fill'), link: of('main a', 'color'),"
            " nav: of('nav', 'display') } }"
        )
        paper = found.pop("paper")
        assert (found.pop("nav") == "none") == ("media" in media)
        for name, color in found.items():
            assert contrast(color, paper) >= 4.5, (media, name, color, paper)
    context.close()


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two CSS colors (WCAG 2)."""
    light = []
    for color in (first, second):
        parts = np.array([int(part) / 255 for part in re.findall(r"\d+", color)[:3]])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(light) + 0.05) / (min(light) + 0.05)
