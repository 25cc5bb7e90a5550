"""How inkdigits draws: one matplotlib style, figures as SVG text, pixels as PNG, and one self-contained HTML page.

    with drawing.figure(5.2, 3.4) as (fig, ax):
        ax.plot(x, y)
    body = drawing.figure_html(drawing.svg(fig), caption="Loss by epoch", alt="Loss falls from 0.9 to 0.1.")
    html = drawing.page("My report", "What it shows, in a sentence.", [Section("Training", body)])

Everything a page needs stands inside it: no network, no other file. Figures take their ink, paper and accent colors
from the page's CSS variables, so that they are readable in light, in dark and in print. matplotlib is imported when a
figure is drawn, and pyplot never: figures here are plain objects with no global state, and need no closing.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inkdigits.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colors that a page may change for dark mode: in SVG text each becomes `var(--name, #hex)`. Draw with these.
INK = "#1d2329"  # text, axes
MUTED = "#68717b"  # tick labels, quiet lines
GRID = "#dfe3e8"  # grid lines, frames
PAPER = "#fffffe"  # the background, one off from white so that a plain "white" stays as it is
ACCENT = "#2b62a9"  # the one color of the house: what matters in a figure
WRONG = "#b8492f"  # errors, and only errors
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    PAPER: "paper",
    ACCENT: "accent",
    WRONG: "wrong",
}
_DARK = {
    "ink": "#e4e8ec",
    "muted": "#9aa4ae",
    "grid": "#353c44",
    "paper": "#15191d",
    "accent": "#82b4f0",
    "wrong": "#f0907a",
}

# One color per digit, of middle lightness: at least 3:1 against white and against the dark page.
DIGIT_COLORS = (
    "#4a7fc1",
    "#c9622b",
    "#3f9462",
    "#c2495a",
    "#8a6bc4",
    "#94724f",
    "#c75fa3",
    "#6f7a86",
    "#8f8a22",
    "#25919c",
)

_STYLE = {
    "font.size": 9.0,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0.0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",  # text stays text: small, crisp, searchable
    "svg.hashsalt": "inkdigits",  # the same figure gives the same bytes
}
_FONTS = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif"

_JOINS = "svg *{stroke-linejoin:round;stroke-linecap:butt}"


@dataclass(frozen=True)
class Section:
    """One part of a page.

    Attributes:
        title: plain text; becomes a second-level heading and an entry of the table of contents.
        body: HTML. Headings inside start at `<h3>`.
    """

    title: str
    body: str


@contextlib.contextmanager
def figure(
    width: float = 5.2, height: float = 3.4, rows: int = 1, columns: int = 1, **options: Any
) -> Iterator[tuple[Figure, Any]]:
    """A matplotlib figure in the house style: draw inside the `with` block, use it after.

    Args:
        width: in inches of 96 CSS pixels. Up to 5.2 fits a phone without scrolling.
        height: in inches.
        rows: rows of axes.
        columns: columns of axes.
        **options: passed to `Figure.subplots` (sharex, sharey, width_ratios, ...).

    Yields:
        The figure and its axes: one `Axes`, or an array of them as `Figure.subplots` gives.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from cycler import cycler
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train") from error

    with mpl.rc_context({**_STYLE, "axes.prop_cycle": cycler(color=[ACCENT, *DIGIT_COLORS[1:]])}):
        made = Figure(figsize=(width, height), layout="constrained")
        yield made, made.subplots(rows, columns, **options)


def svg(fig: Figure) -> str:
    """A figure as an `<svg>` element to put into a page.

    Text is text in the page's font, colors of the house follow the page's variables, ids carry a prefix made of the
    content so that several figures can live in one page, and what only editors need (metadata, group ids) is gone.

    Args:
        fig: what `figure` yielded.

    Returns:
        One `<svg class="plot">...</svg>` element that scales with its container. Give it a name with `figure_html`.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # matplotlib names its own font, and sets line joins for every element of the whole page: the page's CSS does both.
    text = re.sub(r"<style.*?</style>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([^;\"]*?)([\d.]+px)[^;\"]*", _font, text)
    text = re.sub(r" font-family: [^;\"]*;?", "", text)
    text = re.sub(r'(?<= d=")[^"]+', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text)
    for color, name in _VARIABLES.items():
        text = text.replace(color, f"var(--{name},{color})")
    text = re.sub(r"\s*\n\s*", "\n", text)
    text = _own_ids(text)
    width = fig.get_figwidth() * 96
    opening = (
        f'<svg class="plot" viewBox="{_viewbox(text)}" width="{width:.0f}" height="{fig.get_figheight() * 96:.0f}"'
        f' style="--width:{width:.0f}px" xmlns="http://www.w3.org/2000/svg"'
        ' xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return opening + text[text.index(">") + 1 :]


def svg_file(fig: Figure, alt: str = "") -> str:
    """A figure as the text of an `.svg` file that stands alone: on its own paper, dark where the reader is dark.

    Args:
        fig: what `figure` yielded.
        alt: what a screen reader says in its place.
    """
    dark = ";".join(f"--{name}:{color}" for name, color in _DARK.items())
    start = (
        f"<title>{html.escape(alt)}</title>"
        f"<style>svg{{font-family:{_FONTS}}}{_JOINS}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
        f'<rect width="100%" height="100%" style="fill:var(--paper,{PAPER})"/>'
    )
    opening, rest = svg(fig).split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{opening} role="img">{start}{rest}\n'


def _font(match: re.Match[str]) -> str:
    """`font: bold 9px 'DejaVu Sans'` -> size and weight only: the family is the page's."""
    weight = ";font-weight:bold" if re.search(r"bold|[6-9]00", match[1]) else ""
    slant = ";font-style:italic" if "italic" in match[1] else ""
    return f"font-size:{match[2]}{weight}{slant}"


def _viewbox(text: str) -> str:
    found = re.search(r'viewBox="([^"]+)"', text)
    if found is None:  # matplotlib always writes one
        raise ValueError("Expected an SVG with a viewBox.")
    return found[1]


def _own_ids(text: str) -> str:
    """Drop the ids nothing points to; give the others a prefix that no other figure has."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:8] + "-"
    names = {name: f"{prefix}{number}" for number, name in enumerate(sorted(used))}
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{names[found[1]]}"' if found[1] in names else "", text)
    return re.sub(r'(url\(#|href="#)([^)"]+)', lambda found: found[1] + names[found[2]], text)


def png(pixels: ArrayLike | Figure) -> bytes:
    """Pixels, or a figure at 2 pixels per CSS pixel, as the bytes of a PNG file.

    Args:
        pixels: (H, W), (H, W, 3) or (H, W, 4); uint8, or float in [0, 1] (cut to it). Or a matplotlib figure.

    Raises:
        ValueError: an array of another shape.
    """
    buffer = io.BytesIO()
    if hasattr(pixels, "savefig"):
        pixels.savefig(buffer, format="png", dpi=192, facecolor="white")
        return buffer.getvalue()
    from PIL import Image

    array = np.asarray(pixels)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or not array.size:
        raise ValueError(f"Expected pixels of shape (H, W), (H, W, 3) or (H, W, 4). Received: {array.shape}.")
    if array.dtype != np.uint8:
        array = np.rint(np.clip(array.astype(np.float64), 0, 1) * 255).astype(np.uint8)
    Image.fromarray(array).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def png_uri(pixels: ArrayLike | Figure) -> str:
    """`png` as a `data:image/png;base64,...` address, for the src of an `<img>`."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")


def ink_on_paper(ink: ArrayLike) -> NDArray[np.uint8]:
    """Digits as people know them: dark ink on white paper.

    Args:
        ink: any shape; uint8 0 paper .. 255 ink, or float 0.0 paper .. 1.0 ink.

    Returns:
        The same shape, uint8, 255 paper .. 0 ink. Pages show such images dark in dark mode (CSS class `ink`).
    """
    array = np.asarray(ink)
    if array.dtype != np.uint8:
        array = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
    return (255 - array).astype(np.uint8)


def signed_colors(values: ArrayLike, limit: float | None = None) -> NDArray[np.uint8]:
    """Signed numbers as colors: blue below zero, white at zero, red above.

    Args:
        values: any shape, float.
        limit: the magnitude that gets the full color; by default the largest one.

    Returns:
        values.shape + (3,) uint8.
    """
    array = np.nan_to_num(np.asarray(values, np.float64))
    limit = float(np.abs(array).max(initial=0.0)) if limit is None else limit
    share = np.clip(array / (limit or 1.0), -1, 1)[..., None]
    below, above = np.array([43, 98, 169]), np.array([184, 73, 47])
    end = np.where(share < 0, below, above)
    colors: NDArray[np.uint8] = np.rint(255 + np.abs(share) * (end - 255)).astype(np.uint8)
    return colors


def mosaic(tiles: ArrayLike, columns: int = 8, gap: int = 1, background: int = 255) -> NDArray[np.uint8]:
    """Tiles side by side in one picture.

    Args:
        tiles: (N, H, W) or (N, H, W, 3) uint8.
        columns: tiles per row.
        gap: pixels between tiles.
        background: the gray of the gaps and of places without a tile.

    Returns:
        (rows * (H + gap) - gap, columns * (W + gap) - gap[, 3]) uint8.
    """
    array = np.asarray(tiles, np.uint8)
    count, height, width = array.shape[:3]
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *array.shape[3:])
    sheet = np.full(shape, background, np.uint8)
    for index, tile in enumerate(array):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def image_html(pixels: ArrayLike, alt: str, scale: float = 1.0, kind: str = "") -> str:
    """An `<img>` of pixels, enlarged with sharp edges.

    Args:
        pixels: as for `png`.
        alt: what a screen reader says in its place.
        scale: CSS pixels per pixel; on a narrow screen the picture shrinks to fit.
        kind: "ink" for gray pictures made by `ink_on_paper`, which then turn dark with the page.
    """
    height, width = np.asarray(pixels).shape[:2]
    return (
        f'<img class="pixels {kind}" alt="{html.escape(alt)}" src="{png_uri(pixels)}" '
        f'width="{width * scale:.0f}" height="{height * scale:.0f}" style="--width:{width * scale:.0f}px">'
    )


def figure_html(content: str, caption: str, alt: str = "") -> str:
    """A `<figure>` with its caption.

    Args:
        content: the text of `svg`, or `<img>` elements of `image_html` (which carry their own alt).
        caption: plain text under the figure.
        alt: what the figure shows, for those who cannot see it; required for an SVG.
    """
    if content.startswith("<svg"):
        if not alt:
            raise ValueError("Expected an alt text that says what the figure shows. Received: none.")
        content = content.replace("<svg", f'<svg role="img" aria-label="{html.escape(alt)}"', 1)
    return f'<figure><div class="wide">{content}</div><figcaption>{html.escape(caption)}</figcaption></figure>'


def table_html(headers: Sequence[str], rows: Sequence[Sequence[object]], caption: str) -> str:
    """A table with a caption, column headers, and the first cell of each row as the row's header.

    Args:
        headers: one text per column.
        rows: cells, numbers or text, written as they are (round first). A column of nothing but numbers stands right.
        caption: plain text above the table.
    """
    right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(headers))]
    kinds = [' class="number"' if is_right else "" for is_right in right]
    head = "".join(f'<th scope="col"{kind}>{html.escape(text)}</th>' for kind, text in zip(kinds, headers, strict=True))
    lines = []
    for row in rows:
        first, *rest = (html.escape(str(cell)) for cell in row)
        cells = "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds[1:], rest, strict=True))
        lines.append(f'<tr><th scope="row"{kinds[0]}>{first}</th>{cells}</tr>')
    return (
        f'<div class="wide"><table><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) or re.fullmatch(r"[-+]?[\d,.]+( ?%)?", str(cell)) is not None


def facts_html(facts: Sequence[tuple[str, str]]) -> str:
    """A row of large figures: (what it is, its value), for the top of a page."""
    items = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)
    return f'<dl class="facts">{items}</dl>'


def slug(text: str) -> str:
    """A heading as an id: lower-case ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "section"


def page(
    title: str, summary: str, sections: Sequence[Section], *, lead: str = "", style: str = "", script: str = ""
) -> str:
    """A whole HTML document with nothing outside it: no network, works by double-click.

    A Content-Security-Policy in the page forbids every connection and every script but the given one.

    Args:
        title: plain text: the page's title and first heading.
        summary: plain text under it: what the page shows and what comes out.
        sections: the parts, each with its own heading and an entry in the table of contents.
        lead: HTML between the summary and the table of contents (`facts_html`).
        style: further CSS.
        script: JavaScript for the end of the page. The page should be complete without it.

    Raises:
        ValueError: the script or style would end its own element.
    """
    if "</script" in script.lower() or "</style" in style.lower():
        raise ValueError("Expected a script and a style without their own end tags. Received one with.")
    ids: list[str] = ["content"]  # the id of <main>
    for section in sections:
        name = slug(section.title)
        ids.append(name if name not in ids else next(f"{name}-{i}" for i in count(2) if f"{name}-{i}" not in ids))
    del ids[0]
    entries = "".join(
        f'<li><a href="#{name}">{html.escape(section.title)}</a></li>'
        for name, section in zip(ids, sections, strict=True)
    )
    body = "\n".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}" tabindex="-1">{html.escape(section.title)}</h2>\n'
        f"{section.body}</section>"
        for name, section in zip(ids, sections, strict=True)
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    values = {
        "title": html.escape(title),
        "summary": html.escape(summary),
        "lead": lead,
        "contents": entries,
        "sections": body,
        "style": _beside("drawing.css") + style,
        "script": f"<script>{script}</script>" if script else "",
        "script_source": f"'sha256-{digest}'" if script else "'none'",
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], _beside("drawing.html"))


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
