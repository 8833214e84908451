import numpy as np

from hf_brnn.evaluation.plots import plot_confusion_matrix


def test_label_names_are_drawn_as_they_are(tmp_path):
    labels, predicted = np.array([0, 1]), np.array([0, 1])
    drawn = []
    for names in (["$", "$$"], ["$10-$50", "$50-$100"], ["10-50", "50-100"]):
        plot_confusion_matrix(labels, predicted, names, tmp_path / "matrix.png")
        drawn.append((tmp_path / "matrix.png").read_bytes())
    assert len(set(drawn)) == 3
