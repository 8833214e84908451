"""Thresholds and the figures of each label, from the training to what a user loads."""

import importlib.util
import json

import numpy as np
import pytest

import hf_brnn
from hf_brnn.evaluation.thresholds import choose_labels
from hf_brnn.inference.onnx_classifier import OnnxClassifier

RARE = ["so sad about it", "never again", "what a loss", "it hurts"]
COMMON = ["so happy with it", "works great", "what a day", "it is fine", "again and again"]
OPTIONS = {"tune_thresholds": "f1", "precision": "fp32"}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(300) < 0.15, "rare", "usual")
    texts = [
        f"{rng.choice(RARE if (label == 'rare') == (rng.random() < 0.8) else COMMON)} {number}"
        for number, label in enumerate(labels)
    ]
    return texts, labels.tolist()


@pytest.fixture(scope="module")
def trained(rows):
    """A classifier with tuned thresholds; and what its training warned of."""
    arguments = {"hidden_size": 6, "embedding_size": 8, "num_train_epochs": 3, "validation_size": 100}
    return hf_brnn.BrnnClassifier("quickstart", **arguments, options=OPTIONS).fit(*rows)


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned") / "model"
    trained.save(folder)
    return folder


def test_they_are_in_the_configuration_the_metrics_and_the_card(folder):
    thresholds = json.loads((folder / "config.json").read_text())["thresholds"]
    metrics = json.loads((folder / "metrics.json").read_text())
    found = metrics["thresholds"]
    assert list(found) == ["rare", "usual"]
    assert [row["threshold"] for row in found.values()] == thresholds
    assert sum(thresholds) == pytest.approx(1)
    assert sum(row["f1"] for row in found.values()) >= sum(row["f1_without"] for row in found.values())
    classes = metrics["per_class"]["validation"]
    assert [row["f1"] for row in found.values()] == [row["f1"] for row in classes.values()]
    card = (folder / "README.md").read_text()
    assert f"| rare | {thresholds[0]:.4f} |" in card
    assert "Share of each true class (row) by predicted class (column):" in card
    assert f"| rare | {metrics['confusion_matrix']['validation'][0][0]:.3f} |" in card


def test_every_runtime_chooses_by_them(trained, folder, rows):
    texts = rows[0][:40]
    config = json.loads((folder / "config.json").read_text())
    config["thresholds"] = [0.15, 0.85]
    (folder / "config.json").write_text(json.dumps(config))
    classifier = hf_brnn.load(folder)
    probabilities = classifier(texts)
    expected = [("rare", "usual")[index] for index in choose_labels(probabilities, np.array([0.15, 0.85]))]
    assert expected != [("rare", "usual")[index] for index in probabilities.argmax(axis=1)]
    assert classifier.predict(texts) == expected
    assert hf_brnn.BrnnClassifier.load(folder).predict(texts).tolist() == expected
    hf_brnn.export_onnx(folder)
    assert OnnxClassifier(folder, quantized=False).predict(texts) == expected

    spec = importlib.util.spec_from_file_location("handler", folder / "handler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler = module.EndpointHandler(str(folder))
    assert [answer["label"] for answer in handler({"inputs": texts})] == expected
    assert len(handler({"inputs": texts[:1], "parameters": {"top_k": 2}})[0]) == 2


def test_a_label_that_is_missed_more_often_than_found_is_warned_of(rows, caplog):
    arguments = {"hidden_size": 4, "embedding_size": 4, "num_train_epochs": 1, "learning_rate": 1e-6}
    hf_brnn.BrnnClassifier("quickstart", **arguments, verbose=True).fit(*rows)
    assert "Recall below one half on the validation split: " in caplog.text
    assert "try --class_weight balanced" in caplog.text


def test_without_validation_rows_there_is_nothing_to_tune_on(rows):
    with pytest.raises(ValueError, match="tune_thresholds needs a validation split"):
        hf_brnn.BrnnClassifier(validation_size=0, options={"tune_thresholds": "f1"}).fit(*rows)
