"""Draws the picture of README, accuracy against size and speed, from the figures that accuracy.py saved.

python benchmarks/plot.py docs/images/accuracy_speed        # reads .json, writes .png and .svg
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, NullLocator

OURS, OTHERS, TEXT, MUTED, GRID = "#c2410c", "#475569", "#0f172a", "#475569", "#e2e8f0"
ABOVE, BELOW = (0, 11), (0, -24)


def plot_accuracy_against_speed(prefix: str) -> None:
    figures = json.loads(Path(f"{prefix}.json").read_text(encoding="utf-8"))
    rows = figures["rows"]
    plt.rcParams |= {"font.family": "DejaVu Sans", "svg.fonttype": "path", "svg.hashsalt": "hf-brnn"}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5.2), sharey=True, facecolor="white")
    draw(left, rows, "MB", [1, 10, 100, 1000], room=6)
    left.set_xlabel("Size in MB (smaller is better)", fontsize=14, color=MUTED, labelpad=8)
    draw(right, rows, "texts/s", [20_000, 40_000, 80_000], room=1.3)
    right.set_xlabel("Texts per second on one CPU core", fontsize=14, color=MUTED, labelpad=8)
    left.set_ylabel("Accuracy", fontsize=14, color=MUTED, labelpad=8)
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))
    figure.suptitle(
        "Accuracy against size and speed", x=0.03, y=0.965, ha="left", fontsize=19, fontweight="bold", color=TEXT
    )
    count = figures["test"].partition(" ")[0]
    trained = f"trained on {figures['baselines_trained_on'] / 1e6:.1f} million others"
    figure.text(0.03, 0.865, f"{count} test tweets of Sentiment140; baselines {trained}", fontsize=13.5, color=MUTED)
    figure.subplots_adjust(left=0.095, right=0.96, top=0.81, bottom=0.155, wspace=0.08)
    figure.savefig(f"{prefix}.png", dpi=160)
    figure.savefig(f"{prefix}.svg", metadata={"Date": None})
    plt.close(figure)


def draw(axes: plt.Axes, rows: list[dict], column: str, ticks: list[float], room: float) -> None:
    """Draws accuracy against a column on a log scale. `room` is the factor by which the axis goes beyond the points."""
    ours = sorted((row for row in rows if row["what"].startswith("hf-brnn")), key=lambda row: row[column])
    for row in rows:
        is_ours = row in ours
        point, color = (row[column], row["accuracy"]), OURS if is_ours else OTHERS
        axes.scatter(*point, s=170 if is_ours else 110, color=color, edgecolors="white", linewidths=1.5, zorder=3)
        # fastText and the regression are close to each other in speed.
        offset, alignment = BELOW, "left" if row["what"] == "TF-IDF words" and column == "texts/s" else "center"
        if is_ours:
            offset, alignment = ABOVE, "right" if row is ours[0] else "left"
        axes.annotate(
            row["what"], point, offset, textcoords="offset points", ha=alignment, fontsize=14,
            fontweight="bold" if is_ours else "normal", color=color, zorder=4,
            path_effects=[withStroke(linewidth=4, foreground="white")],
        )  # fmt: skip
    values, accuracies = [row[column] for row in rows], [row["accuracy"] for row in rows]
    axes.set_xscale("log")
    axes.set_ylim(min(accuracies) - 0.03, max(accuracies) + 0.025)
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.set_xlim(min(*values, *ticks) / room, max(*values, *ticks) * room)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(colors=MUTED, labelsize=13, length=0)
    axes.grid(color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


if __name__ == "__main__":
    plot_accuracy_against_speed(sys.argv[1])
