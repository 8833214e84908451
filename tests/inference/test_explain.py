import json
import shutil
import subprocess

import numpy as np
import pytest
from models import save_model
from processes import REPOSITORY

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from hf_brnn.data.rows import load_rows
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.explain import explain, split_words
from hf_brnn.inference.onnx_classifier import OnnxClassifier

TEXT = "I do not recommend this product"
TRICKY = {
    "Loooooove it!!!!!": ["Loooooove", "it!!!!!"],
    "see https://t.co/AbC?x=1, www.example.com now": ["see", "https://t.co/AbC?x=1,", "www.example.com", "now"],
    "hi @Bob_1: #fail don't, can\u2019t": ["hi", "@Bob_1:", "#fail", "don't,", "can\u2019t"],
    "&lt;3 it&#39;s": ["&lt;3", "it&#39;s"],
    "ok\U0001f44d\U0001f3fd \u2764\ufe0f \U0001f469\u200d\U0001f467": [
        "ok\U0001f44d\U0001f3fd",
        "\u2764\ufe0f",
        "\U0001f469\u200d\U0001f467",
    ],
    " e\u0301te\u0301\tcafe\u0301\n": ["e\u0301te\u0301", "cafe\u0301"],
    "a\u3000b\xa0c\u2003d\x85e\u2028f": ["a", "b", "c", "d", "e", "f"],
    # White space for Python's \s alone, and for neither.
    "a\x1cb\x1fc \u200b\ufeff d": ["a\x1cb\x1fc", "\u200b\ufeff", "d"],
    "@\u0130stanbul \u03a3": ["@\u0130stanbul", "\u03a3"],
    " \t\n": [],
    "": [],
}
SPLIT = """
import { readFileSync } from "node:fs";
import { splitWords } from "./web/src/words.js";
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(splitWords)));
"""


@pytest.fixture(scope="module")
def classifier():
    return OnnxClassifier(PRETRAINED_FOLDER)


@pytest.mark.parametrize("text", TRICKY)
def test_a_text_is_split_at_white_space(text):
    parts = split_words(text)
    assert [part for part, is_word in parts if is_word] == TRICKY[text]
    assert "".join(part for part, _ in parts) == text


@pytest.mark.node
@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")
def test_the_web_page_splits_in_the_same_way():
    texts = [*TRICKY, *load_rows(DataArguments()).texts]
    command = ["node", "--input-type=module", "--eval", SPLIT]
    process = subprocess.run(
        command, cwd=REPOSITORY, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    split = [[(part["text"], part["isWord"]) for part in parts] for parts in json.loads(process.stdout)]
    assert split == [split_words(text) for text in texts]


def log_odds(probability):
    return np.log(probability / (1 - probability))


@pytest.mark.parametrize("classifier_class", [OnnxClassifier, TorchClassifier])
def test_an_effect_is_the_log_odds_that_the_label_loses_without_the_word(classifier_class):
    classifier = classifier_class(PRETRAINED_FOLDER)
    explanation = explain(classifier, TEXT)
    (whole,) = classifier([TEXT])
    assert classifier.label_names[explanation.label] == "NEGATIVE"
    np.testing.assert_array_equal(explanation.probabilities, whole)
    words = TEXT.split()
    assert [part for part, _ in explanation.parts] == " ".join(words).replace(" ", "\0 \0").split("\0")
    effects = {part: effect for part, effect in explanation.parts if effect is not None}
    for index, word in enumerate(words):
        (without,) = classifier([" ".join([*words[:index], "qqzz", *words[index + 1 :]])])
        assert effects[word] == pytest.approx(log_odds(whole[0]) - log_odds(without[0]), abs=1e-4)
    assert max(effects, key=effects.get) == "not"


def test_effects_do_not_vanish_where_the_classifier_is_sure(classifier):
    explanation = explain(classifier, "so happy with it, works great, thank you so much, love it!")
    assert explanation.probabilities.max() > 0.995
    assert max(effect for _, effect in explanation.parts if effect is not None) > 1


def test_effects_on_one_of_several_labels_are_changes_of_its_log_odds(tmp_path):
    classifier = OnnxClassifier(save_model(tmp_path / "model", SINGLE_LABEL, ["a", "b", "c"], ["so happy", "never"]))
    explanation = explain(classifier, "so happy")
    before, after = (classifier([text])[0, explanation.label] for text in ("so happy", "so qqzz"))
    assert explanation.parts[2] == ("happy", pytest.approx(log_odds(before) - log_odds(after), abs=1e-4))


def test_an_unknown_word_has_no_effect(classifier):
    assert ("qzxqzx", 0.0) in explain(classifier, "so qzxqzx happy").parts


def test_a_text_without_words_has_no_effects(classifier):
    explanation = explain(classifier, " \n")
    assert explanation.parts == [(" \n", None)]
    assert explanation.probabilities.shape == (2,)


@pytest.mark.parametrize(("problem_type", "expected"), [(MULTI_LABEL, np.argmax), (REGRESSION, lambda scores: 0)])
def test_effects_are_on_the_most_probable_label_or_the_first_number(tmp_path, problem_type, expected):
    classifier = OnnxClassifier(save_model(tmp_path / "model", problem_type, ["a", "b", "c"], ["so happy", "never"]))
    labels = set()
    for text in ("so", "happy", "never", "so happy", "happy never"):
        explanation = explain(classifier, text)
        assert explanation.label == expected(classifier([text])[0])
        labels.add(explanation.label)
        word, effect = explanation.parts[0]
        (without,) = classifier([text.replace(word, "qqzz", 1)])
        scores = explanation.probabilities[explanation.label], without[explanation.label]
        before, after = scores if problem_type == REGRESSION else map(log_odds, scores)
        assert effect == pytest.approx(before - after, abs=1e-4)
    assert (len(labels) > 1) == (problem_type == MULTI_LABEL)


def test_a_text_of_too_many_words_is_refused(classifier, monkeypatch):
    monkeypatch.setattr(classifier, "logits", lambda tokenized, rows: pytest.fail("it was classified"))
    with pytest.raises(ValueError, match=r"The text has 1,001 words, .* at most 1,000\. Explain a part"):
        explain(classifier, "so " * 1_001)
