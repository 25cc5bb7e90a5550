"""The figures of a report about one model, each as HTML with its caption and a description in words."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits import drawing
from inkdigits.drawing import ACCENT, DIGIT_COLORS, GRID, INK, MUTED, PAPER, WRONG
from inkdigits.evaluation import metrics
from inkdigits.evaluation.words import percent


def confusion_table(confusion: NDArray[np.int64]) -> str:
    """The confusion matrix as a table that can be read aloud; mistakes link to their first picture in the gallery."""
    support = np.maximum(confusion.sum(axis=1), 1)
    worst = max(1, int((confusion - np.diag(np.diag(confusion))).max()))
    head = "".join(f'<th scope="col">{digit}</th>' for digit in range(len(confusion)))
    rows = []
    for true, row in enumerate(confusion):
        cells = []
        for answer, count in enumerate(row):
            if answer == true:
                share = count / support[true]
                cells.append(f'<td class="right" style="--share:{share:.3f}">{count}</td>')
            elif count:
                link = f'<a href="#error-{true}-{answer}" data-true="{true}" data-answer="{answer}"'
                link += f' aria-label="{count}: {true} read as {answer}">{count}</a>'
                cells.append(f'<td class="wrong" style="--share:{(count / worst) ** 0.5:.3f}">{link}</td>')
            else:
                cells.append('<td class="none">0</td>')
        rows.append(f'<tr><th scope="row">{true}</th>{"".join(cells)}</tr>')
    return (
        '<div class="wide"><table class="confusion"><caption>How often each true digit (row) was read as each digit '
        "(column). Choose a red number to see those pictures.</caption>"
        f'<thead><tr><th scope="col">true, <br>read as</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def precision_recall_figure(curves: Sequence[metrics.Curve], micro: metrics.Curve, accuracy: float) -> str:
    """Precision against recall of every digit and of all together, enlarged around the corner that matters."""
    # About ten times the error rate shows where the curves bend, be the model good or bad.
    low = max(0.0, math.floor((1 - max(0.02, 10 * (1 - accuracy))) * 20) / 20)
    with drawing.figure(5.2, 4.2) as (fig, ax):
        for digit, curve in enumerate(curves):
            if not math.isnan(curve.average_precision):
                recall, precision = _visible(curve, low)
                color = DIGIT_COLORS[digit]
                label = f"{digit}   {curve.average_precision:.4f}"
                ax.plot(recall, precision, color=color, linewidth=1.3, label=label)
        ax.plot(*_visible(micro, low), color=INK, linewidth=2.2, label=f"all {micro.average_precision:.4f}")
        ax.set(xlim=(low, 1.001), ylim=(low, 1.001), xlabel="Recall", ylabel="Precision")
        ax.legend(title="Average precision", loc="lower left", ncols=2, title_fontsize=8.5, alignment="left")
    weakest = min(
        (d for d, c in enumerate(curves) if not math.isnan(c.average_precision)),
        key=lambda d: curves[d].average_precision,
    )
    zoom = f" Both axes begin at {low:.2f}." if low else ""
    return drawing.figure_html(
        drawing.svg(fig),
        "Precision against recall, one digit against the rest, as the threshold falls. "
        f"The area under each curve is its average precision.{zoom}",
        f"Precision-recall curves. Micro average precision {micro.average_precision:.4f}; the weakest digit is "
        f"{weakest} with {curves[weakest].average_precision:.4f}.",
    )


def _visible(curve: metrics.Curve, low: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points of a curve in the shown corner, at most 300 of them."""
    # Just outside counts too, so that lines leave the frame; the long tail of full recall does not.
    keep = (curve.recall >= low - 0.05) & (curve.precision >= low - 0.05)
    recall, precision = curve.recall[keep], curve.precision[keep]
    if len(recall) > 300:
        chosen = np.unique(np.linspace(0, len(recall) - 1, 300).astype(int))
        recall, precision = recall[chosen], precision[chosen]
    return recall, precision


def reliability_figure(reliability: metrics.Reliability) -> str:
    """Confidence against accuracy with 95 % intervals, above how many images each bin holds."""
    used = np.flatnonzero(reliability.counts)
    hits = np.rint(reliability.accuracy[used] * reliability.counts[used]).astype(int)
    spans = np.array(
        [metrics.wilson_interval(int(h), int(n)) for h, n in zip(hits, reliability.counts[used], strict=True)]
    )
    error = reliability.expected_calibration_error
    bins = len(reliability.counts)
    with drawing.figure(5.2, 4.2, rows=2, sharex=True, height_ratios=(3, 1)) as (fig, (top, bottom)):
        top.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        top.vlines(reliability.confidence[used], spans[:, 0], spans[:, 1], color=ACCENT, linewidth=1.2)
        top.plot(reliability.confidence[used], reliability.accuracy[used], "o", color=ACCENT, markersize=5)
        top.set(ylim=(-0.02, 1.04), ylabel="Share right")
        top.text(0.03, 0.93, f"ECE {error:.4f}", transform=top.transAxes, color=INK, fontweight="bold")
        bottom.bar(reliability.edges[:-1], reliability.counts, width=0.9 / bins, align="edge", color=ACCENT, alpha=0.55)
        bottom.set(yscale="log", xlim=(-0.02, 1.03), xlabel="Confidence", ylabel="Images")
        bottom.set_ylim(0.7, None)
        bottom.grid(visible=False, axis="x")
        bottom.minorticks_off()
    return drawing.figure_html(
        drawing.svg(fig),
        f"Reliability: of the images answered with some confidence, how many are right? {bins} equally wide bins; "
        "points on the dashed line are perfectly calibrated, and the bars are 95 % intervals. Below, the images in "
        "each bin on a logarithmic scale.",
        f"Reliability diagram with an expected calibration error of {error:.4f} over {bins} bins. "
        f"{int(reliability.counts[-1])} of {int(reliability.counts.sum())} images lie in the most confident bin, "
        f"of which {percent(float(reliability.accuracy[-1]))} are right.",
    )


def coverage_figure(coverage: metrics.Coverage, threshold: float) -> str:
    """Accuracy when the least confident images are left to a person."""
    answered, accuracy = coverage.coverage, coverage.accuracy
    wrong = accuracy < 1
    begin = float(answered[wrong][0]) if wrong.any() else 0.9
    covered, reached = coverage.above(threshold)
    begin = min(begin, covered) if covered else begin  # the model's own threshold is always in sight
    low = min(0.95, math.floor(begin * 20 - 0.5) / 20) if begin > 0.1 else 0.0
    shown = np.flatnonzero(answered >= low)
    if len(shown) > 400:
        shown = shown[np.unique(np.linspace(0, len(shown) - 1, 400).astype(int))]
    with drawing.figure(5.2, 3.6) as (fig, ax):
        ax.plot(answered[shown] * 100, accuracy[shown] * 100, color=ACCENT)
        if covered:
            ax.plot(covered * 100, reached * 100, "o", color=WRONG, markersize=6)
            ax.annotate(
                f"reject below {threshold:.3f}",
                (covered * 100, reached * 100),
                (-8, -14),
                textcoords="offset points",
                ha="right",
                color=INK,
            )
        ax.set(xlabel="Answered, most confident first (%)", ylabel="Accuracy of the answered (%)")
        ax.set_xlim(low * 100, 100 + (1 - low) * 1.5)
        ax.ticklabel_format(useOffset=False)
    half = coverage.at(0.95)
    return drawing.figure_html(
        drawing.svg(fig),
        "Accuracy against coverage: answer only the most confident images and leave the rest to a person. "
        "The point is where this model's reject threshold stands.",
        f"Accuracy rises from {percent(float(accuracy[-1]))} when all images are answered to {percent(half[1])} when "
        "the most confident 95 % are.",
    )


def history_figures(rows: Sequence[Mapping[str, float]]) -> str:
    """Loss, and validation accuracy, by epoch: two figures."""
    epochs, last = [row["epoch"] for row in rows], rows[-1]
    with drawing.figure(5.2, 3.2) as (loss, ax):
        ax.plot(epochs, [row["loss"] for row in rows], "o-", color=MUTED, markersize=4, label="training")
        held = [row["validation_loss"] for row in rows]
        ax.plot(epochs, held, "o-", color=ACCENT, markersize=4, label="validation")
        ax.set(ylabel="Loss (nats)", ylim=(0, None))
        ax.legend()
        _epoch_axis(ax, epochs)
    with drawing.figure(5.2, 3.2) as (accuracy, ax):
        ax.plot(epochs, [row["validation_accuracy"] * 100 for row in rows], "o-", color=ACCENT, markersize=4)
        ax.set(ylabel="Validation accuracy (%)")
        ax.ticklabel_format(axis="y", useOffset=False)
        _epoch_axis(ax, epochs)
    after = f"after {len(rows)} epoch{'s' * (len(rows) != 1)}"
    return drawing.figure_html(
        drawing.svg(loss),
        "The loss on training images (with what training adds to it) and on validation images after each epoch.",
        f"The validation loss is {last['validation_loss']:.4f} {after}.",
    ) + drawing.figure_html(
        drawing.svg(accuracy),
        "The share of validation images read right after each epoch.",
        f"The validation accuracy is {percent(last['validation_accuracy'])} {after}.",
    )


def _epoch_axis(ax: Any, epochs: Sequence[float]) -> None:
    ax.set_xlabel("Epoch")
    if len(epochs) <= 10:
        ax.set_xticks(epochs, [f"{epoch:.0f}" for epoch in epochs])


def embedding_map(points: NDArray[np.float32], labels: NDArray[np.integer], wrong: NDArray[np.bool_]) -> Any:
    """The matplotlib figure of an embedding: points colored by digit, digits written in their middle, mistakes ringed.

    Args:
        points: (N, 2).
        labels: (N,) true digits.
        wrong: (N,) bool, answered wrong.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    with drawing.figure(5.2, 5.0) as (fig, ax):
        for digit in range(10):
            mine = points[labels == digit]
            if not len(mine):
                continue
            # One path of zero-length strokes with round ends: a tenth of the bytes of one marker per point.
            vertices = np.repeat(mine, 2, axis=0)
            path = Path(vertices, np.tile([Path.MOVETO, Path.LINETO], len(mine)).astype(np.uint8))
            path.should_simplify = False
            color = DIGIT_COLORS[digit]
            ax.add_patch(PathPatch(path, fill=False, edgecolor=color, linewidth=2.9, capstyle="round", alpha=0.75))
        ax.plot(*points[wrong].T, "o", markersize=6, markerfacecolor="none", markeredgecolor=WRONG, markeredgewidth=1.3)
        for digit in range(10):
            if (labels == digit).any():
                x, y = np.median(points[labels == digit], axis=0)
                box = {"boxstyle": "circle,pad=0.25", "facecolor": PAPER, "edgecolor": GRID, "linewidth": 0.8}
                ax.text(x, y, str(digit), fontsize=12, fontweight="bold", ha="center", va="center", bbox=box)
        ax.autoscale_view()
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_axis_off()
    return fig


def probabilities_figure(probabilities: NDArray[np.floating]) -> Any:
    """The matplotlib figure of ten probabilities, the largest in the house color."""
    best = int(np.argmax(probabilities))
    with drawing.figure(5.2, 2.6) as (fig, ax):
        ax.bar(range(10), probabilities * 100, width=0.8, color=[ACCENT if d == best else MUTED for d in range(10)])
        ax.set(xticks=range(10), ylim=(0, 103), xlabel="Digit", ylabel="Probability (%)")
        ax.grid(visible=False, axis="x")
    return fig


def bars(probabilities: NDArray[np.floating], label: int, answer: int) -> str:
    """Ten small bars, one per digit: the true one in blue, the answered one in red."""
    heights = [round(float(p) * 30, 1) for p in probabilities]
    rest = "".join(f"M{x * 10 + 1} 30v-{h}h8v{h}z" for x, h in enumerate(heights) if h and x not in (label, answer))
    marked = "".join(
        f'<path class="{kind}" d="M{x * 10 + 1} 30v-{max(heights[x], 0.6)}h8v{max(heights[x], 0.6)}z"/>'
        for x, kind in ((label, "t"), (answer, "a"))
    )
    order = np.argsort(-probabilities, kind="stable")[:3]
    words = ", ".join(f"{digit}: {percent(float(probabilities[digit]), 1)}" for digit in order)
    return (
        f'<svg class="bars" role="img" aria-label="Probabilities: {html.escape(words)}" viewBox="0 0 100 42">'
        f'<path d="M0 30.5h100v1h-100z"/><path d="{rest}"/>{marked}'
        '<text x="5 15 25 35 45 55 65 75 85 95" y="40">0123456789</text></svg>'
    )
