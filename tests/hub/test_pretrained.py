import json
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from processes import REPOSITORY, run_python

import hf_brnn
from hf_brnn import PRETRAINED, TWEET_ENCODER, TWEET_SENTIMENT
from hf_brnn.about import SHIPPED_MODELS
from hf_brnn.evaluation.checklist import NEUTRAL, checklist_table, sentiment_labels
from hf_brnn.hub.card import build_card
from hf_brnn.hub.layout import CODE_FILES, check_model_directory, check_no_other_files
from hf_brnn.hub.push import files_to_push
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.onnx_classifier import OnnxClassifier

USE = """
import hf_brnn
from transformers import pipeline
texts = ["so happy today", "worst day ever", "the shop opens at nine"]
for model in (hf_brnn.PRETRAINED, hf_brnn.TWEET_SENTIMENT):
    classifier = pipeline("text-classification", model=model)
    print([(answer["label"], round(answer["score"], 4)) for answer in classifier(texts)])
"""
# How alike vectors are: of two texts about the same, and of two that have a word in common.
ENCODE = """
import hf_brnn
from torch.nn.functional import cosine_similarity
from transformers import AutoModel, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(hf_brnn.TWEET_ENCODER)
texts = ["my flight was late again", "another delayed plane", "another great song"]
first, second, third = AutoModel.from_pretrained(hf_brnn.TWEET_ENCODER)(
    **tokenizer(texts, padding=True, return_tensors="pt")
).pooler_output
print([float(cosine_similarity(second, other, dim=0)) for other in (first, third)])
"""
FOLDER = Path(PRETRAINED)
CLASSIFIERS = {name: path for name, path in SHIPPED_MODELS.items() if name != "brnn-tweet-encoder"}
each_model = pytest.mark.parametrize("folder", SHIPPED_MODELS.values(), ids=list(SHIPPED_MODELS))
each_classifier = pytest.mark.parametrize("folder", CLASSIFIERS.values(), ids=list(CLASSIFIERS))


@pytest.fixture(scope="module", params=CLASSIFIERS.values(), ids=list(CLASSIFIERS))
def pass_rates(request):
    """A model's share of passed checks by capability."""
    classifier = TorchClassifier(request.param)
    columns = sentiment_labels(classifier.label_names)
    return checklist_table(lambda texts: classifier(texts)[:, columns])[0]["pass rate"]


def test_the_folder_of_shipped_models_holds_these_alone():
    found = {path.name for path in FOLDER.parent.iterdir() if path.is_dir()}
    assert found == set(SHIPPED_MODELS)


def test_the_shipped_models_are_whole_and_small():
    files = {folder: files_to_push(folder) for folder in CLASSIFIERS.values()}
    files[Path(TWEET_ENCODER)] = [path.name for path in Path(TWEET_ENCODER).iterdir() if path.is_file()]
    sizes = [sum((folder / file).stat().st_size for file in files[folder]) for folder in SHIPPED_MODELS.values()]
    assert max(sizes) <= 8 * 2**20
    assert sum(sizes) <= 24 * 2**20


@each_model
def test_its_code_is_that_of_the_package(folder):
    for path in (folder.parent.parent / "model" / name for name in CODE_FILES):
        assert (folder / path.name).read_bytes() == path.read_bytes()


@each_classifier
def test_its_handler_is_that_of_the_package(folder):
    assert (folder / "handler.py").read_bytes() == (folder.parent.parent / "hub" / "handler.py").read_bytes()


def test_they_answer_without_network_and_without_trusted_code(tmp_path):
    process = run_python("-c", USE, cwd=tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    two, three = map(eval, process.stdout.strip().splitlines()[-2:])
    assert [label for label, _ in two[:2]] == ["POSITIVE", "NEGATIVE"]
    assert [label for label, _ in three] == ["positive", "negative", "neutral"]
    assert min(score for _, score in two[:2] + three[:2]) > 0.8


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_it_is_found_by_its_name_unless_there_is_a_directory_of_that_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    expected = OnnxClassifier(SHIPPED_MODELS[name])(["so happy today"])
    np.testing.assert_array_equal(hf_brnn.load(name)(["so happy today"]), expected)
    (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError, match=r"has no .*config\.json"):
        hf_brnn.load(name)


@each_model
def test_no_word_of_it_is_a_name(folder):
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert "<user>" in vocabulary
    # Accounts that thousands of the training tweets address, some of them without the mark.
    assert {"mileycyrus", "tommcfly", "ddlovato", "jonasbrothers"}.isdisjoint(vocabulary)


def test_it_passes_the_checklist_where_it_must_and_mostly_elsewhere(pass_rates):
    rates = pass_rates
    for capability in ("@names", "addresses", "case", "repeated punctuation", "outer white space"):
        assert rates[capability] == 1, capability
    assert rates["plain words"] > 0.9
    assert rates["negation"] > 0.95
    assert rates["emoticons"] > 0.95


@each_classifier
def test_an_emoticon_speaks_for_its_label(folder):
    classifier = OnnxClassifier(folder)
    sad, plain, happy = (classifier([text + emoticon for text in NEUTRAL])[:, -1] for emoticon in (" :(", "", " :)"))
    assert (sad < plain).all()
    assert (plain < happy).all()


def test_the_encoder_is_whole_and_encodes_without_network_and_without_trusted_code(tmp_path):
    check_model_directory(Path(TWEET_ENCODER), allow_encoder=True)
    check_no_other_files(Path(TWEET_ENCODER))
    process = run_python("-c", ENCODE, cwd=tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    near, far = eval(process.stdout.strip().splitlines()[-1])
    assert near > far + 0.2


def test_the_recipe_subset_starts_from_the_encoder(tmp_path):
    rows = [f"day {number} was {label},{label}" for number in range(200) for label in ("fine", "bad")]
    (tmp_path / "days.csv").write_text("\n".join(["text,label", *rows]))
    options = ("--config", "subset", "--validation_size", "40", "--test_size", "0")
    process = run_python("-m", "hf_brnn", "train", "days.csv", *options, cwd=tmp_path, HF_HUB_OFFLINE="1")
    assert "start    brnn-tweet-encoder; labels kept: none" in process.stdout
    assert hf_brnn.load(tmp_path / "runs" / "days").predict(["it was fine", "it was bad"]) == ["fine", "bad"]


def test_emoji_and_words_of_today_are_known_where_people_labeled_the_texts():
    texts = ["😍😍😍", "😡 again", "😭💔", "#blessed", "#fail"]
    expected = ["positive", "negative", "negative", "positive", "negative"]
    assert OnnxClassifier(TWEET_SENTIMENT).predict(texts) == expected


@each_classifier
def test_its_graph_agrees_with_its_weights(folder):
    texts = ["so happy today", "worst day ever", "", "not bad at all"]
    difference = OnnxClassifier(folder)(texts) - TorchClassifier(folder)(texts)
    assert np.abs(difference).max() < 0.03


@each_classifier
def test_its_card_reports_its_metrics(folder):
    metrics = json.loads((folder / "metrics.json").read_text())["test"]
    card = ModelCard.load(folder / "README.md")
    reported = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert reported["accuracy"] == round(metrics["accuracy"], 4)
    assert card.data.license == "apache-2.0"
    assert card.data.datasets == ["stanfordnlp/sentiment140", "cardiffnlp/tweet_eval"]


def test_the_scores_of_the_model_of_sentiment140_are_calibrated():
    assert json.loads((FOLDER / "metrics.json").read_text())["test"]["calibration_error"] <= 0.01


@each_classifier
def test_its_card_is_the_template_filled_from_its_files(folder):
    assert str(build_card(folder)) == (folder / "README.md").read_text()


def test_the_card_at_the_top_is_that_of_the_model_of_sentiment140():
    card = (FOLDER / "README.md").read_text()
    assert (REPOSITORY / "model_card.md").read_text() == card, "copy README.md of the shipped model to model_card.md"
    assert "| fastText | 0.8246 |" in card
