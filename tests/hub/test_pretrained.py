import json
from pathlib import Path

import numpy as np
from huggingface_hub import ModelCard
from processes import REPOSITORY, run_python

from hf_brnn import PRETRAINED
from hf_brnn.evaluation.checklist import NEUTRAL, checklist_table
from hf_brnn.hub.card import build_card
from hf_brnn.hub.push import files_to_push
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.onnx_classifier import OnnxClassifier

USE = """
import hf_brnn
from transformers import pipeline
classifier = pipeline("text-classification", model=hf_brnn.PRETRAINED)
print([(answer["label"], round(answer["score"], 4)) for answer in classifier(["so happy today", "worst day ever"])])
"""
FOLDER = Path(PRETRAINED)


def test_the_shipped_folder_is_whole_and_small():
    assert sum((FOLDER / file).stat().st_size for file in files_to_push(FOLDER)) <= 8 * 2**20


def test_its_code_is_that_of_the_package():
    package = FOLDER.parent.parent
    for path in ("model/configuration_brnn.py", "model/modeling_brnn.py", "hub/handler.py"):
        assert (FOLDER / Path(path).name).read_bytes() == (package / path).read_bytes()


def test_it_answers_without_network_and_without_trusted_code(tmp_path):
    process = run_python("-c", USE, cwd=tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    (happy, sure), (worst, as_sure) = eval(process.stdout.strip().splitlines()[-1])
    assert (happy, worst) == ("POSITIVE", "NEGATIVE")
    assert min(sure, as_sure) > 0.8


def test_no_word_of_it_is_a_name():
    vocabulary = json.loads((FOLDER / "tokenizer.json").read_text())["model"]["vocab"]
    assert "<user>" in vocabulary
    # Accounts that thousands of the training tweets address, some of them without the mark.
    assert {"mileycyrus", "tommcfly", "ddlovato", "jonasbrothers"}.isdisjoint(vocabulary)


def test_it_passes_the_checklist_where_it_must_and_mostly_elsewhere():
    rates = checklist_table(TorchClassifier(PRETRAINED))[0]["pass rate"]
    for capability in ("@names", "addresses", "case", "repeated punctuation", "outer white space"):
        assert rates[capability] == 1, capability
    assert rates["plain words"] > 0.9
    assert rates["negation"] > 0.75
    assert rates["emoticons"] > 0.8


def test_an_emoticon_speaks_for_its_label():
    classifier = OnnxClassifier(PRETRAINED)
    sad, plain, happy = (classifier([text + emoticon for text in NEUTRAL])[:, 1] for emoticon in (" :(", "", " :)"))
    assert (sad < plain).all()
    assert (plain < happy).all()


def test_its_graph_agrees_with_its_weights():
    texts = ["so happy today", "worst day ever", "", "not bad at all"]
    difference = OnnxClassifier(PRETRAINED)(texts) - TorchClassifier(PRETRAINED)(texts)
    assert np.abs(difference).max() < 0.03


def test_its_card_reports_its_metrics():
    metrics = json.loads((FOLDER / "metrics.json").read_text())["test"]
    card = ModelCard.load(FOLDER / "README.md")
    reported = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert reported["accuracy"] == round(metrics["accuracy"], 4)
    assert metrics["calibration_error"] <= 0.015
    assert card.data.license == "apache-2.0"
    assert card.data.datasets == ["stanfordnlp/sentiment140"]


def test_its_card_is_the_template_filled_from_its_files():
    card = (FOLDER / "README.md").read_text()
    assert str(build_card(FOLDER)) == card
    assert (REPOSITORY / "model_card.md").read_text() == card, "copy README.md of the shipped model to model_card.md"
    assert "| fastText | 0.8252 |" in card
