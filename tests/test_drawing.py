from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inkdigits import drawing
from inkdigits.drawing import Section


def a_plot(height: float = 1.0) -> Any:
    with drawing.figure(4, 3) as (fig, ax):
        ax.plot([0, 1, 2], [0, height, 1])
        ax.set(xlabel="Epoch", ylabel="Loss", title="A <title> & more")
    return fig


def test_text_stays_text_and_colors_follow_the_page() -> None:
    text = drawing.svg(a_plot())
    root = ElementTree.fromstring(text)
    words = "".join(root.itertext())
    assert "Epoch" in words and "A <title> & more" in words
    assert f"var(--ink,{drawing.INK})" in text and f"var(--accent,{drawing.ACCENT})" in text
    assert drawing.INK not in text.replace(f"var(--ink,{drawing.INK})", "")
    assert "DejaVu" not in text and "<style" not in text and "metadata" not in text


def test_a_figure_gives_the_same_bytes_every_time() -> None:
    assert drawing.svg(a_plot()) == drawing.svg(a_plot())


def test_ids_of_two_figures_never_meet_and_every_reference_has_its_target() -> None:
    found = []
    for fig in (a_plot(1.0), a_plot(2.0)):
        text = drawing.svg(fig)
        ids = re.findall(r' id="([^"]+)"', text)
        used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
        assert used == set(ids) and len(ids) == len(set(ids)) > 0
        found.append(set(ids))
    assert not found[0] & found[1]


def test_an_svg_file_stands_alone_on_its_own_paper() -> None:
    root = ElementTree.fromstring(drawing.svg_file(a_plot(), "Loss <falls>"))
    assert root[0].tag.endswith("title") and root[0].text == "Loss <falls>"
    assert root.attrib["role"] == "img"
    assert root[2].tag.endswith("rect") and drawing.PAPER in root[2].attrib["style"]


def test_drawing_leaves_the_users_matplotlib_alone() -> None:
    import matplotlib as mpl
    from matplotlib import pyplot

    before = dict(mpl.rcParams)
    drawing.svg(a_plot())
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []


def pixels_of(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3), (3, 5, 4)])
def test_png_uri_keeps_every_pixel(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(pixels_of(drawing.png_uri(pixels)), pixels)
    assert np.array_equal(pixels_of(drawing.png_uri(pixels / 255)), pixels)


@pytest.mark.parametrize("shape", [(5,), (3, 5, 2), (0, 4), (2, 3, 4, 5)])
def test_png_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(str(shape))):
        drawing.png(np.zeros(shape))


def test_a_figure_becomes_a_sharp_png() -> None:
    assert pixels_of(drawing.png_uri(a_plot())).shape[:2] == (3 * 192, 4 * 192)


def test_ink_is_dark_on_paper() -> None:
    assert drawing.ink_on_paper(np.array([0.0, 1.0, 0.2])).tolist() == [255, 0, 204]
    assert drawing.ink_on_paper(np.array([0, 255, 51], np.uint8)).tolist() == [255, 0, 204]


def test_signed_colors_tell_the_signs_apart() -> None:
    below, zero, above = drawing.signed_colors(np.array([-2.0, 0.0, 2.0])).astype(int)
    assert zero.tolist() == [255, 255, 255]
    assert below[2] > below[0] and above[0] > above[2]  # blue, red
    assert drawing.signed_colors(np.zeros((2, 2))).min() == 255
    assert np.array_equal(drawing.signed_colors(np.array([5.0]), limit=1.0)[0], above)


def test_mosaic_puts_tiles_where_they_belong() -> None:
    tiles = np.stack([np.full((2, 3), value, np.uint8) for value in (10, 20, 30)])
    sheet = drawing.mosaic(tiles, columns=2, gap=1, background=99)
    assert sheet.shape == (5, 7)
    assert (sheet[:2, :3] == 10).all() and (sheet[:2, 4:] == 20).all() and (sheet[3:, :3] == 30).all()
    assert (sheet[2] == 99).all() and (sheet[3:, 4:] == 99).all()
    assert drawing.mosaic(np.zeros((4, 2, 2, 3), np.uint8), columns=8).shape == (2, 11, 3)


class Reader(HTMLParser):
    """Every element with its attributes, and the stack of open ones, to find what is not closed."""

    VOID = ("meta", "img", "br", "input", "hr", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def a_page(**options: Any) -> str:
    figure = drawing.figure_html(drawing.svg(a_plot()), "The <loss>.", 'It "falls".')
    table = drawing.table_html(["Kind", "n"], [["<b>", 3], ["other", 1.5]], "How many")
    sections = [Section("Über & unter", figure), Section("Table", table), Section("Table", "<p>Again.</p>")]
    return drawing.page("A & B", "What <it> shows.", sections, **options)


def test_a_page_is_well_formed_and_escapes_what_is_plain_text() -> None:
    reader = Reader(a_page())
    assert reader.open == []
    text = a_page()
    for escaped in ("A &amp; B", "What &lt;it&gt; shows.", "The &lt;loss&gt;.", "&lt;b&gt;", "Über &amp; unter"):
        assert escaped in text
    assert any(attributes.get("aria-label") == 'It "falls".' for _, attributes in reader.elements)


def test_a_page_is_one_file_and_may_load_nothing() -> None:
    text = a_page(script="document.title;")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None and policy[1].startswith("default-src 'none'; img-src data:;")
    assert "unsafe-inline" not in policy[1].split("script-src")[1]
    for tag, attributes in Reader(text).elements:
        for name in ("src", "href", "action", "srcset", "data", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert "url(" not in re.sub(r"url\(#", "", text) and "@import" not in text


def test_the_contents_lead_to_the_sections_and_ids_are_unique() -> None:
    elements = Reader(a_page()).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for tag, attributes in elements if tag == "a"]
    assert links == ["#content", "#uber-unter", "#table", "#table-2"]
    assert {str(link)[1:] for link in links} <= set(ids)


def test_tables_name_their_headers_and_align_numbers() -> None:
    text = drawing.table_html(["Name", "Share", "n"], [["a", "99.3 %", 3], ["b", "1.2 %", "1,000"]], "A caption")
    assert "<caption>A caption</caption>" in text
    assert text.count('<th scope="row">') == 2 and text.count('scope="col"') == 3
    assert text.count('<td class="number">') == 4


def test_an_svg_needs_words_for_those_who_cannot_see_it() -> None:
    with pytest.raises(ValueError, match="alt"):
        drawing.figure_html(drawing.svg(a_plot()), "A caption")


def test_a_script_cannot_end_its_own_element() -> None:
    with pytest.raises(ValueError, match="end tags"):
        a_page(script="'</script>'")


def test_braces_in_content_are_left_alone(tmp_path: Path) -> None:
    text = drawing.page("{{style}}", "x", [Section("{{title}}", "{{nothing}}")])
    assert "<h1>{{style}}</h1>" in text and "{{nothing}}" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_a_page_works_in_a_browser(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    script = "document.body.dataset.ran = 'yes';"
    wide = drawing.table_html(["a" * 20] * 12, [["b" * 20] * 12], "A wide table")
    text = drawing.page("T", "S", [Section("One", a_page().split("<main")[0][-1] + wide)], script=script)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((tmp_path / "page.html").as_uri())
    assert complaints == []  # the policy blocks nothing that the page needs
    assert page.evaluate("document.body.dataset.ran") == "yes"
    assert page.evaluate("document.documentElement.scrollWidth") == width  # wide things scroll in their own box
    paper, ink = page.evaluate(
        "() => { const s = getComputedStyle(document.body); return [s.backgroundColor, s.color] }"
    )
    brightness = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (paper, ink)]
    assert (brightness[0] < brightness[1]) == (scheme == "dark")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    context.close()
