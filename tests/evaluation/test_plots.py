import numpy as np
import pytest
from pictures import texts_of

from hf_brnn.evaluation.plots import (
    MIN_ACCURACY_SPAN,
    plot_confusion_matrix,
    plot_curves,
    plot_precision_recall,
    plot_predictions,
    plot_reliability,
)

HISTORY = [
    {"epoch": 1.0, "loss": 0.5, "accuracy": 0.80, "eval_loss": 0.4, "eval_accuracy": 0.82},
    {"epoch": 2.0, "loss": 0.4, "accuracy": 0.82, "eval_loss": 0.3, "eval_accuracy": 0.83},
]


def test_label_names_are_drawn_as_they_are(tmp_path):
    labels, predicted = np.array([0, 1]), np.array([0, 1])
    for names in (["$", "$$"], ["$10-$50", "$50-$100"], ["<b>", "a&b"]):
        plot_confusion_matrix(labels, predicted, names, tmp_path / "matrix", "$m$")
        texts = texts_of(tmp_path / "matrix.svg")
        assert [text for text in texts if text in names] == names * 2
        assert "$m$: 2 rows" in texts


def test_cells_of_a_confusion_matrix_have_counts_and_shares_of_the_true_class(tmp_path):
    labels, predicted = np.array([0] * 25 + [1] * 4), np.array([0] * 16 + [1] * 9 + [1] * 4)
    plot_confusion_matrix(labels, predicted, ["no", "yes"], tmp_path / "matrix", "tickets")
    texts = " ".join(texts_of(tmp_path / "matrix.svg"))
    for cell in ("16 (64 %)", "9 (36 %)", "0 (0 %)", "4 (100 %)"):
        assert cell in texts


def test_curves_name_the_run_and_the_kept_epoch_and_do_not_dramatize(tmp_path):
    plot_curves(HISTORY, tmp_path / "curves", "validation", "tickets", 2.0)
    texts = texts_of(tmp_path / "curves.svg")
    assert "tickets: training" in texts
    assert texts.count("kept: epoch 2") == 1
    # The dotted line is in both plots and in their legend.
    assert (tmp_path / "curves.svg").read_text().count("stroke-dasharray") == 3
    after_first_axis = texts[texts.index("epoch", texts.index("epoch") + 1) : texts.index("Accuracy")]
    ticks = [float(text) for text in after_first_axis[1:]]
    assert max(ticks) - min(ticks) > 0.85 * MIN_ACCURACY_SPAN


def test_curves_of_one_epoch_have_a_tick_at_whole_epochs_alone(tmp_path):
    plot_curves(HISTORY[:1], tmp_path / "curves", "validation", "tickets")
    texts = texts_of(tmp_path / "curves.svg")
    ticks = [text for text in texts[: texts.index("epoch")] if text.replace(".", "").isdigit()]
    assert ticks[:3] == ["0", "1", "2"]


def test_the_same_figures_give_the_same_files(tmp_path):
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        plot_curves(HISTORY, tmp_path / name / "curves", "validation", "tickets")
        files.append([(tmp_path / name / f"curves{suffix}").read_bytes() for suffix in (".png", ".svg")])
    assert files[0] == files[1]


@pytest.mark.parametrize("rows", [1, 2, 500])
def test_few_rows_can_be_drawn(tmp_path, rows):
    random = np.random.default_rng(0)
    labels, scores = random.integers(0, 3, rows), random.dirichlet([1, 1, 1], rows)
    plot_reliability(labels, scores, tmp_path / "reliability", "m")
    plot_precision_recall(np.eye(3)[labels], scores, ["a", "b", "c"], tmp_path / "precision_recall", "m")
    plot_predictions(scores, scores, ["a", "b", "c"], tmp_path / "predictions", "m")
    assert f"m: reliability, {rows} rows" in texts_of(tmp_path / "reliability.svg")
    for name in ("reliability", "precision_recall", "predictions"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
