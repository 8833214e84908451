from collections import Counter

import numpy as np
import pytest
from arguments import parse_arguments
from processes import REPOSITORY

from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.augmentation import EMOTICONS, restore_emoticons
from hf_brnn.training.prepare import prepare_data

QUICKSTART = REPOSITORY / "configs" / "quickstart.yaml"

TEXTS = [f"{i} is a number" for i in range(20_000)]
LABELS = [i % 2 for i in range(20_000)]


def emoticon_of(text, restored):
    """What stands in one text and not in the other; the words around it must be those of the text."""
    for emoticon in EMOTICONS[0] + EMOTICONS[1]:
        before, found, after = restored.partition(emoticon)
        if found and f"{before.strip()} {after.strip()}".strip() == text:
            return emoticon
    raise AssertionError(restored)


def test_a_share_of_the_texts_gets_an_emoticon_that_is_nearly_always_of_its_label():
    restored = restore_emoticons(TEXTS, LABELS, 0.2)
    changed = [index for index, text in enumerate(restored) if text != TEXTS[index]]
    assert len(changed) / len(TEXTS) == pytest.approx(0.2, abs=0.02)
    emoticons = [emoticon_of(TEXTS[index], restored[index]) for index in changed]
    own = [emoticon in EMOTICONS[LABELS[index]] for index, emoticon in zip(changed, emoticons)]
    assert np.mean(own) == pytest.approx(0.95, abs=0.02)
    assert min(Counter(emoticons).values()) > 200
    places = Counter(restored[index].split(" ").index(emoticons[at].split(" ")[0]) for at, index in enumerate(changed))
    assert set(places) == {0, 1, 2, 3, 4}


def test_a_text_gets_the_same_one_wherever_it_stands():
    backwards = restore_emoticons(TEXTS[::-1], LABELS[::-1], 0.2)
    assert backwards[::-1] == restore_emoticons(TEXTS, LABELS, 0.2)


def test_training_texts_get_them_and_no_others(tmp_path):
    def prepare(share):
        arguments = parse_arguments(["--emoticon_prob", str(share), "--output_dir", str(tmp_path)], QUICKSTART)
        return prepare_data(arguments.data, arguments.training, tmp_path / "data")

    plain, with_emoticons = prepare(0), prepare(1)
    assert {":)", ":-)", ":d", "=)", ":(", ":-(", "=("} <= set(with_emoticons.tokenizer.get_vocab())
    assert (with_emoticons.train.lengths > plain.train.lengths).mean() > 0.99  # but for those that are cut
    for name, part in plain.eval_splits.items():
        np.testing.assert_array_equal(with_emoticons.eval_splits[name].lengths, part.lengths)


def test_labels_that_no_emoticon_stands_for_are_refused():
    with pytest.raises(
        ValueError,
        match=r"emoticon_prob is for the labels NEGATIVE, POSITIVE, but .*'angry'\].* give --emoticon_prob 0",
    ):
        DataArguments(emoticon_prob=0.1, label_names=["calm", "angry"])


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(ValueError, match=r"emoticon_prob is .*, but must be a probability in \[0, 1\]"):
        DataArguments(emoticon_prob=share)
