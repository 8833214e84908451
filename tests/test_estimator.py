import csv

import numpy as np
import pytest
from processes import run_in_fork
from safetensors.torch import load_file
from transformers import pipeline

import hf_brnn
from hf_brnn.data.arguments import SAMPLE_FILE


@pytest.fixture(scope="module")
def rows():
    with SAMPLE_FILE.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))[:400]
    names = {"0": "bad", "1": "good", "4": "good"}
    return [row["text"] for row in read], [names[row["sentiment"]] for row in read]


@pytest.fixture(scope="module")
def classifier(rows):
    return hf_brnn.BrnnClassifier(num_train_epochs=2, hidden_size=16).fit(*rows)


def test_it_gives_the_labels_it_was_given(classifier, rows):
    texts, _ = rows
    probabilities = classifier.predict_proba(texts[:9])
    assert classifier.classes_.tolist() == ["bad", "good"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert classifier.predict(texts[:9]).tolist() == [["bad", "good"][row.argmax()] for row in probabilities]


def test_the_labels_may_be_numbers(rows):
    texts, labels = rows
    numbers = [3 if label == "good" else 10 for label in labels]
    fitted = hf_brnn.BrnnClassifier(num_train_epochs=1, hidden_size=8).fit(texts, numbers)
    assert fitted.classes_.tolist() == [3, 10]
    assert set(fitted.predict(texts[:50]).tolist()) <= {3, 10}


def test_what_it_saves_loads_everywhere(classifier, rows, tmp_path):
    texts, _ = rows
    classifier.save(tmp_path / "mine")
    expected = classifier.predict_proba(texts[:5])
    np.testing.assert_allclose(hf_brnn.load(tmp_path / "mine")(texts[:5]), expected, atol=1e-6)
    np.testing.assert_allclose(
        hf_brnn.BrnnClassifier.load(tmp_path / "mine").predict_proba(texts[:5]), expected, atol=1e-6
    )
    found = pipeline("text-classification", model=str(tmp_path / "mine"), trust_remote_code=True)(texts[0])
    assert found[0]["label"] == classifier.predict(texts[:1])[0]


def test_it_trains_the_weights_of_the_command(classifier, rows, tmp_path):
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(*rows)])
    arguments = ("--num_train_epochs", 2, "--hidden_size", 16, "--test_size", 0, "--output_dir", tmp_path / "command")
    run_in_fork("scripts/train.py", tmp_path / "rows.csv", *arguments)
    classifier.save(tmp_path / "python")
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("command", "python")]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        assert value.equal(weights[1][name]), name


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a b", "c"], ["x"], "2 texts and 1 labels"),
        (["a b", 3], ["x", "y"], "Fix or remove"),
        (["a b", "c"], ["x", "x"], "x"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(texts, labels, message):
    with pytest.raises(ValueError, match=message):
        hf_brnn.BrnnClassifier().fit(texts, labels)
