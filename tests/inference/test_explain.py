import numpy as np
import pytest

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.rows import load_rows
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.explain import explain
from hf_brnn.inference.onnx_classifier import OnnxClassifier

TEXT = "I do not recommend this product"


@pytest.fixture(scope="module")
def classifier():
    return OnnxClassifier(PRETRAINED_FOLDER)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Loooooove it!!!!!", ["Loooooove", "it", "!!!!!"]),
        ("see https://t.co/AbC?x=1, www.example.com now", ["see", "https://t.co/AbC?x=1,", "www.example.com", "now"]),
        ("hi @Bob_1: ok", ["hi", "@Bob_1", ":", "ok"]),
        ("&lt;3 &amp; it&#39;s &quot;ok&quot;", ["&lt;3", "&amp;", "it&#39;s", "&quot;", "ok", "&quot;"]),
        ("ok👍🏽 ❤️ 👩\u200d👧", ["ok", "👍🏽", "❤️", "👩\u200d", "👧"]),
        ("e\u0301te\u0301 cafe\u0301, so", ["e\u0301te\u0301", "cafe\u0301", ",", "so"]),
        ("ooooh İstanbul", ["ooooh", "İstanbul"]),
        ("@İstanbul güzel", ["@İ", "stanbul", "güzel"]),
        ("\u110c\u1165\u11bc\u1106\u1161\u11af good", ["\u110c\u1165\u11bc\u1106\u1161\u11af", "good"]),
        (" \t\n\u200b", []),
        ("", []),
    ],
)
def test_words_are_pieces_of_the_text_as_it_was_typed(classifier, text, words):
    parts = explain(classifier, text).parts
    assert [part for part, change in parts if change is not None] == words
    assert "".join(part for part, _ in parts) == text


def test_every_token_of_every_text_has_its_piece(classifier):
    for text in load_rows(DataArguments()).texts:
        parts = explain(classifier, text).parts
        assert "".join(part for part, _ in parts) == text
        assert sum(change is not None for _, change in parts) == len(classifier.tokenizer.encode(text).ids)


@pytest.mark.parametrize("classifier_class", [OnnxClassifier, TorchClassifier])
def test_a_change_is_what_the_label_loses_without_the_word(classifier_class):
    classifier = classifier_class(PRETRAINED_FOLDER)
    explanation = explain(classifier, TEXT)
    whole = classifier([TEXT])[0]
    assert classifier.label_names[explanation.label] == "NEGATIVE"
    # int8 graphs quantize a batch as a whole: probabilities depend slightly on what else is in it.
    np.testing.assert_allclose(explanation.probabilities, whole, atol=0.02)
    words = TEXT.split()
    # The tokenizer reads [UNK] in a text as the unknown word itself.
    without = classifier([" ".join(["[UNK]" if i == j else word for j, word in enumerate(words)]) for i in range(6)])
    changes = {part: change for part, change in explanation.parts if change is not None}
    assert list(changes) == words
    np.testing.assert_allclose(list(changes.values()), whole[0] - without[:, 0], atol=0.02)
    assert max(changes, key=changes.get) == "not"


def test_an_unknown_word_changes_nothing(classifier):
    assert ("qzxqzx", 0.0) in explain(classifier, "so qzxqzx happy").parts
