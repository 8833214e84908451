"""The texts to try in a card, against a model that is asked word by word."""

import pytest
import torch
from models import make_model
from reports import make_report
from transformers import pipeline

from hf_brnn import BrnnForTokenClassification
from hf_brnn.data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from hf_brnn.hub.card import build_card, rebuild_card
from hf_brnn.hub.examples import typical_texts
from hf_brnn.hub.save import save_model_directory
from hf_brnn.model.tokenization_brnn import train_tokenizer

WORDS = ["refund", "charged", "twice", "login", "password", "crash", "screen", "thanks", "lovely", "!", "<url>", "a"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([" ".join(WORDS)], vocab_size=100)


def model_of(tokenizer, problem_type, labels, seed=0):
    model = make_model(vocab_size=len(tokenizer), problem_type=problem_type, num_labels=labels, seed=seed)
    with torch.no_grad():
        model.classifier.bias -= model(**tokenizer(WORDS, padding=True, return_tensors="pt")).logits.mean(dim=0)
    return model


def logits_of(model, tokenizer, text):
    return model(**tokenizer([text], return_tensors="pt")).logits[0]


@pytest.mark.parametrize("seed", range(4))
def test_each_label_has_the_three_words_that_it_is_surest_of(tokenizer, seed):
    model = model_of(tokenizer, SINGLE_LABEL, 3, seed)
    probabilities = {
        word: logits_of(model, tokenizer, word).softmax(0) for word in WORDS if word.isalpha() and word != "a"
    }
    expected = []
    for label in range(3):
        words = sorted(probabilities, key=lambda word: -probabilities[word][label])[:3]
        texts = [" ".join(words[:count]) for count in (3, 2, 1)]
        expected += [text for text in texts if logits_of(model, tokenizer, text).argmax() == label][:1]
    assert typical_texts(model, tokenizer) == expected


def test_rude_words_are_left_out():
    rude = train_tokenizer(["fucking bitches asshole kindness"], vocab_size=100)
    model = model_of(rude, SINGLE_LABEL, 2)
    assert set(typical_texts(model, rude)) <= {"kindness"}


def test_a_label_of_several_is_one_that_the_text_has(tokenizer):
    model = model_of(tokenizer, MULTI_LABEL, 4)
    with torch.no_grad():
        model.classifier.bias[0] = -100  # never given
    texts = typical_texts(model, tokenizer)
    assert texts
    assert all(logits_of(model, tokenizer, text).max() > 0 for text in texts)
    assert len(texts) <= 3


def test_a_regression_has_a_low_and_a_high_text(tokenizer):
    model = model_of(tokenizer, REGRESSION, 1)
    low, high = (logits_of(model, tokenizer, text) for text in typical_texts(model, tokenizer))
    assert low < high
    assert typical_texts(model_of(tokenizer, REGRESSION, 2), tokenizer) == []


def test_models_without_a_label_of_the_text_have_none(tokenizer):
    tags = make_model(BrnnForTokenClassification, vocab_size=len(tokenizer), num_labels=3)
    assert typical_texts(tags, tokenizer) == []
    wordless = train_tokenizer(["! ?"], vocab_size=100)
    assert typical_texts(model_of(wordless, SINGLE_LABEL, 2), wordless) == []


def test_the_card_of_a_model_of_other_texts_shows_them(tokenizer, tmp_path):
    report = make_report(data_files=["tickets.csv"])
    model = model_of(tokenizer, SINGLE_LABEL, 2, seed=3)
    save_model_directory(tmp_path / "tickets", model, tokenizer, report)
    card = build_card(tmp_path / "tickets")
    texts = [example["text"] for example in card.data.widget]
    classifier = pipeline("text-classification", str(tmp_path / "tickets"), trust_remote_code=True)
    assert len(texts) == 2
    assert [answer["label"] for answer in classifier(texts)] == list(model.config.label2id)
    assert f'classifier("{texts[0]}")' in card.text
    assert "so happy" not in card.text

    # Texts that its owner wrote stay.
    card.data.widget = ["no mapping", {"text": 'say "hi"'}]
    card.save(tmp_path / "tickets" / "README.md")
    rebuild_card(tmp_path / "tickets")
    assert 'classifier("say \\"hi\\"")' in (tmp_path / "tickets" / "README.md").read_text()
