"""An exploration as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from inkdigits import drawing
from inkdigits.datasets import sources
from inkdigits.exploration import ATYPICAL, NEAR_DUPLICATE, ClassSummary, Distribution, Exploration, Pair, measures

_SAMPLES = 12  # of each class
_STROKES = 14  # examples of thin, usual and thick strokes
_BINS = 48


def render(exploration: Exploration) -> str:
    """Draw an exploration.

    Returns:
        A whole HTML document that needs nothing outside it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    summary = exploration.summary
    sections = [
        drawing.Section("Samples", _samples(exploration)),
        drawing.Section("Class balance", _class_balance(exploration)),
        drawing.Section("Pixels", _pixels(exploration)),
        drawing.Section("Mean and spread of each class", _averages(exploration)),
        drawing.Section("Ink", _ink(exploration)),
        drawing.Section("Stroke width", _stroke_width(exploration)),
        drawing.Section("Most atypical images", _atypical(exploration)),
        drawing.Section("Duplicates", _duplicates(exploration)),
        drawing.Section("About this set", _about(exploration)),
    ]
    facts = [
        ("images", f"{summary.n:,}"),
        ("ink per image", f"{summary.ink.mean:.0f} px"),
        ("stroke width", f"{summary.stroke_width.mean:.1f} px"),
        ("exact duplicates", f"{sum(len(group) - 1 for group in exploration.duplicates.groups):,}"),
    ]
    return drawing.page(f"Data: {summary.name}", headline(exploration), sections, lead=drawing.facts_html(facts))


def headline(exploration: Exploration) -> str:
    """What stands out, in two or three sentences."""
    counts = exploration.summary.counts
    present = [digit for digit in range(10) if counts[digit]]
    least, most = min(present, key=counts.__getitem__), max(present, key=counts.__getitem__)
    text = f"{exploration.summary.n:,} images; "
    if len(present) < 10:
        text += f"no image of {', '.join(str(digit) for digit in range(10) if not counts[digit])}. "
    elif least == most:
        text += "every digit equally often. "
    else:
        text += f"{most} is the most frequent digit ({counts[most]:,}), {least} the least ({counts[least]:,}). "
    return text + duplicates_sentence(exploration)


def duplicates_sentence(exploration: Exploration) -> str:
    """What was found of duplicates, in a sentence or two."""
    found = exploration.duplicates
    text = f"{_many(len(found.groups), 'group')} of identical images, {_many(found.near, 'near-duplicate pair')}."
    text = text[0].upper() + text[1:]
    if exploration.other:
        shared = f"{_many(len(found.between), 'pair')} of identical images"
        text += f" Shared with {exploration.other.name}: {shared}, {_many(found.near_between, 'near-duplicate pair')}."
    if found.conflicting:
        text += f" Of the identical ones, {_many(found.conflicting, 'has', 'have')} different labels."
    return text


def _samples(exploration: Exploration) -> str:
    rows = []
    for each in exploration.classes:
        group = np.flatnonzero(exploration.labels == each.digit)
        if len(group):
            chosen = group[np.unique(np.linspace(0, len(group) - 1, _SAMPLES).astype(int))]
            rows.append(
                _strip(exploration.images[chosen], f"{len(chosen)} samples of the digit {each.digit}", _SAMPLES)
            )
    caption = f"Up to {_SAMPLES} images of each digit, taken at even distances through the set."
    return drawing.figure_html("<br>".join(rows), caption)


def _class_balance(exploration: Exploration) -> str:
    counts = exploration.summary.counts
    other = exploration.other
    with drawing.figure(5.2, 2.8) as (fig, ax):
        ax.bar(range(10), counts, color=drawing.ACCENT, width=0.7)
        ax.axhline(sum(counts) / 10, color=drawing.MUTED, linewidth=1, linestyle=(0, (4, 3)))
        ax.set_xticks(range(10))
        ax.set_xlabel("digit")
        ax.set_ylabel("images")
        ax.grid(visible=False, axis="x")
    alt = "Images per digit: " + ", ".join(f"{digit}: {count}" for digit, count in enumerate(counts)) + "."
    figure = drawing.figure_html(drawing.svg(fig), "Images of each digit; the dashed line is an equal share.", alt)
    headers = ["digit", "images", "share"] + ([f"images in {other.name}", "share there"] if other else [])
    rows = [
        [str(digit), count, _percent(count, sum(counts))]
        + ([other.counts[digit], _percent(other.counts[digit], other.n)] if other else [])
        for digit, count in enumerate(counts)
    ]
    return figure + drawing.table_html(headers, rows, "Images of each digit")


def _pixels(exploration: Exploration) -> str:
    sets = [exploration.summary] + ([exploration.other] if exploration.other else [])
    rows = [
        [
            each.name,
            round(each.pixels.mean, 4),
            round(each.pixels.sd, 4),
            f"{each.pixels.paper:.1%}",
            f"{each.pixels.full:.2%}",
        ]
        for each in sets
    ]
    headers = ["set", "mean", "sd", "empty paper (0)", "full ink (255)"]
    return drawing.table_html(headers, rows, "All pixels; 0.0 is paper and 1.0 is full ink")


def _averages(exploration: Exploration) -> str:
    present = [each.digit for each in exploration.classes if each.count]
    digits = ", ".join(map(str, present))
    means = _strip(exploration.means[present], f"Mean images of the digits {digits}", 5, scale=3)
    spreads = _strip(exploration.spreads[present] * 2, f"Spread images of the digits {digits}", 5, scale=3)
    return drawing.figure_html(means, f"The mean image of {digits}.") + drawing.figure_html(
        spreads,
        "The standard deviation of every pixel in each class, twice as dark as it is: "
        "dark where writers differ, white where they agree.",
    )


def _ink(exploration: Exploration) -> str:
    figure = _distribution_figure(
        exploration.ink, [each.ink for each in exploration.classes], "ink per image (pixels)", "ink"
    )
    return (
        "<p>The sum of an image's values, a pixel of full ink counting 1. More ink means a bolder pen or a longer "
        "stroke.</p>" + figure
    )


def _stroke_width(exploration: Exploration) -> str:
    figure = _distribution_figure(
        exploration.stroke_width,
        [each.stroke_width for each in exploration.classes],
        "mean stroke width (pixels)",
        "stroke width",
    )
    order = np.argsort(exploration.stroke_width, kind="stable")
    middle = max(0, len(order) // 2 - _STROKES // 2)
    rows = [("The thinnest", order[:_STROKES]), ("The usual", order[middle:][:_STROKES])]
    rows.append(("The thickest", order[-_STROKES:]))
    strips = "<br>".join(
        _strip(exploration.images[chosen], f"{name} strokes", _STROKES, scale=1.5) for name, chosen in rows
    )
    return (
        "<p>Twice an image's ink divided by the length of its outline, which is measured without a threshold as the "
        "image's total variation. Filled-in loops and blots count as very wide strokes.</p>"
        + figure
        + drawing.figure_html(strips, "The thinnest, the usual and the thickest strokes.")
    )


def _atypical(exploration: Exploration) -> str:
    parts = [
        f"<p>An image is atypical when it is far from the images of its own class: the distance is that to its "
        f"{_ordinal(measures.NEIGHBORS)} nearest neighbor in the space of the first {measures.COMPONENTS} principal "
        f"components, in pixels of full ink. The {ATYPICAL} farthest of each class, farthest first. Look here for "
        "wrong labels, bad crops and rare ways of writing.</p>"
    ]
    for each in exploration.classes:
        if not each.atypical:
            continue
        images = exploration.images[[odd.index for odd in each.atypical]]
        alt = f"The {len(images)} most atypical images of the digit {each.digit}"
        parts.append(drawing.figure_html(_strip(images, alt, 6), _atypical_caption(each)))
    return "".join(parts)


def _atypical_caption(each: ClassSummary) -> str:
    first, last = each.atypical[0].distance, each.atypical[-1].distance
    names = ", ".join(odd.path or str(odd.index) for odd in each.atypical)
    return f"{each.digit}: distance {first:.1f} to {last:.1f}. In order: {names}."


def _duplicates(exploration: Exploration) -> str:
    found = exploration.duplicates
    parts = [
        f"<p>{escape(duplicates_sentence(exploration))} Identical means the same in every pixel, whatever the label. "
        f"Near-duplicates are pairs of one class whose distance is less than {NEAR_DUPLICATE:.0%} of their size; each "
        "image is compared with its nearest neighbor among the principal components.</p>"
    ]
    if found.groups:
        rows = [
            [", ".join(map(str, group)), ", ".join(str(exploration.labels[index]) for index in group)]
            for group in found.groups[:50]
        ]
        parts.append(drawing.table_html(["images", "labels"], rows, "Identical images in this set (at most 50 groups)"))
    if found.between and exploration.other:
        rows = [[str(here), str(there)] for here, there in found.between[:50]]
        headers = ["image here", f"image in {exploration.other.name}"]
        parts.append(drawing.table_html(headers, rows, "Identical images between the sets (at most 50 pairs)"))
    parts.append(_closest(exploration.images, exploration.images, found.closest, "in this set"))
    if exploration.other_images is not None and exploration.other:
        where = f"between this set (above) and {exploration.other.name} (below)"
        parts.append(_closest(exploration.images, exploration.other_images, found.closest_between, where))
    return "".join(parts)


def _closest(images: NDArray[np.uint8], others: NDArray[np.uint8], pairs: Sequence[Pair], where: str) -> str:
    if not pairs:
        return ""
    tiles = [images[pair.first] for pair in pairs] + [others[pair.second] for pair in pairs]
    listed = ", ".join(f"{pair.first} and {pair.second} ({pair.difference:.0%})" for pair in pairs)
    strip = _strip(np.stack(tiles), f"The {len(pairs)} most similar pairs {where}", len(pairs))
    return drawing.figure_html(strip, f"The most similar pairs {where}, one above the other: {listed}.")


def _about(exploration: Exploration) -> str:
    height, width = exploration.shape
    lines = [
        f"Images as they came: {width} x {height} pixels, uint8."
        + (" They were normalized to 28 x 28 as for classifying before measuring." if exploration.normalized else ""),
        f"SHA-256 of the content: {exploration.summary.sha256}",
    ]
    if exploration.summary.name.startswith("mnist/"):
        lines.append(f"{sources.CREDIT} License: {sources.LICENSE}.")
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _distribution_figure(
    values: NDArray[np.float32], classes: Sequence[Distribution | None], label: str, what: str
) -> str:
    """A histogram of all images above the quartiles of each class."""
    with drawing.figure(5.2, 4.6, rows=2, sharex=True, height_ratios=(1, 1.4)) as (fig, (top, bottom)):
        top.hist(values, bins=_BINS, color=drawing.ACCENT)
        top.set_ylabel("images")
        for digit, each in enumerate(classes):
            if each is None:
                continue
            bottom.plot([each.minimum, each.maximum], [digit, digit], color=drawing.MUTED, linewidth=1)
            quartiles = [each.lower_quartile, each.upper_quartile]
            bottom.plot(quartiles, [digit, digit], color=drawing.ACCENT, linewidth=7, solid_capstyle="butt")
            bottom.plot([each.median], [digit], marker="|", markersize=9, color=drawing.PAPER, markeredgewidth=2)
        bottom.set_yticks(range(10))
        bottom.set_ylim(9.6, -0.6)
        bottom.grid(visible=False, axis="y")
        bottom.set_ylabel("digit")
        bottom.set_xlabel(label)
    medians = ", ".join(f"{digit}: {each.median:.1f}" for digit, each in enumerate(classes) if each)
    caption = (
        f"Above: all images by {what}. Below: each digit's range (line), middle half (bar) and median (notch). "
        f"Mean {values.mean():.1f}, sd {values.std():.1f} pixels."
    )
    return drawing.figure_html(drawing.svg(fig), caption, f"Distribution of {label}. Medians: {medians}.")


def _strip(tiles: NDArray[np.uint8] | NDArray[np.float32], alt: str, columns: int, scale: float = 2) -> str:
    sheet = drawing.mosaic(drawing.ink_on_paper(tiles), columns=columns, gap=2)
    return drawing.image_html(sheet, alt, scale=scale, kind="ink")


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"


def _many(count: int, one: str, several: str | None = None) -> str:
    return f"{f'{count:,}' if count else 'no'} {one if count == 1 else several or one + 's'}"


def _ordinal(number: int) -> str:
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number, 'th')}"
