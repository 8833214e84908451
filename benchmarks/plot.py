"""Draws the picture of README, accuracy against speed, from the figures that accuracy.py saved.

python benchmarks/plot.py docs/images/accuracy_speed        # reads .json, writes .png and .svg
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

OURS, OTHERS, TEXT, MUTED, GRID = "#c2410c", "#64748b", "#0f172a", "#475569", "#e2e8f0"


def plot_accuracy_against_speed(prefix: str) -> None:
    figures = json.loads(Path(f"{prefix}.json").read_text(encoding="utf-8"))
    plt.rcParams |= {"font.family": "DejaVu Sans", "svg.fonttype": "path", "svg.hashsalt": "hf-brnn"}
    figure, axes = plt.subplots(figsize=(9, 5.4), facecolor="white")
    for row in figures["rows"]:
        draw_point(axes, row)
    speeds = [row["texts/s"] for row in figures["rows"]]
    accuracies = [row["accuracy"] for row in figures["rows"]]
    axes.set_xscale("log")
    axes.set_xlim(min(speeds) / 1.6, max(speeds) * 2.2)
    axes.set_ylim(min(accuracies) - 0.02, max(accuracies) + 0.025)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))
    axes.tick_params(colors=MUTED, labelsize=13, length=0)
    axes.grid(color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Texts per second on one CPU core (log scale)", fontsize=14, color=MUTED, labelpad=8)
    figure.suptitle("Accuracy against speed", x=0.03, y=0.97, ha="left", fontsize=20, fontweight="bold", color=TEXT)
    figure.text(0.03, 0.875, "Accuracy on 25,000 held-out tweets of Sentiment140", fontsize=14, color=MUTED)
    figure.subplots_adjust(left=0.09, right=0.97, top=0.83, bottom=0.15)
    figure.savefig(f"{prefix}.png", dpi=160)
    figure.savefig(f"{prefix}.svg", metadata={"Date": None})
    plt.close(figure)


def draw_point(axes: plt.Axes, row: dict) -> None:
    is_ours = row["what"].startswith("hf-brnn")
    color = OURS if is_ours else OTHERS
    point = row["texts/s"], row["accuracy"]
    axes.scatter(*point, s=190 if is_ours else 120, color=color, edgecolors="white", linewidths=1.5, zorder=3)
    axes.annotate(
        row["what"], point, (0, 12), textcoords="offset points", ha="center",
        fontsize=15 if is_ours else 14, fontweight="bold" if is_ours else "normal", color=color, zorder=4,
    )  # fmt: skip
    axes.annotate(
        f"{row['accuracy']:.3f}, {size(row['MB'])}", point, (0, -24), textcoords="offset points", ha="center",
        fontsize=12, color=MUTED, zorder=4,
    )  # fmt: skip


def size(megabytes: float) -> str:
    return f"{megabytes:,.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"


if __name__ == "__main__":
    plot_accuracy_against_speed(sys.argv[1])
