import json

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from hf_brnn.model.tokenization_brnn import (
    extend_tokenizer,
    first_tokenizer,
    new_tokenizer,
    save_tokenizer,
    train_tokenizer,
)


def words(text):
    tokenizer = new_tokenizer()
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good MORNING", ["good", "morning"]),
        ("&lt;3 &amp;amp; &quot;ok&quot; it&#39;s", ["<3", "&", '"', "ok", '"', "it's"]),
        ("see http://example.com/a?b=1, or www.example.org", ["see", "<url>", "or", "<url>"]),
        ("example.com/page is down", ["<url>", "is", "down"]),
        ("oh well...www.example.org/page!", ["oh", "well", ".", "<url>"]),
        ("example.com/http://example.org", ["<url>"]),
        ("<\ufe0f3 you\ufe0f", ["<3", "you"]),
        ("@Some_Body98 hi @x!", ["<user>", "hi", "<user>", "!"]),
        ("sooooo goooood!!!!", ["soo", "good", "!"]),
        ("wait.... what?!?!?! :)))", ["wait", ".", "what", "?!", ":)"]),
        ("in 2009 gr8 10:30", ["in", "0000", "gr0", "00", ":", "00"]),
        ("don't can’t I'd've", ["don't", "can't", "i'd've"]),
        ("#FollowFriday #1", ["#followfriday", "#0"]),
        (":) ;-) :D :P :( =/ (: </3", [":)", ";-)", ":d", ":p", ":(", "=/", "(:", "</3"]),
        ("note:please re:do", ["note", ":", "please", "re", ":", "do"]),
        ("^_^ -_- >.<", ["^_^", "-_-", ">.<"]),
        ("ok👍🏽 ❤️ 👩‍👧", ["ok", "👍", "❤", "👩", "👧"]),
        ("naïve café привет 안녕하세요", ["naïve", "café", "привет", "안녕하세요"]),
        ("2009年の日本語、#話題", ["0000", "年", "の", "日", "本", "語", "、", "#", "話", "題"]),
        ("カメラ 𠀀ok สวัสดีค่ะ", ["カ", "メ", "ラ", "𠀀", "ok", "ส", "วั", "ส", "ดี", "ค่", "ะ"]),
        ("Awww...so cute, ewww.", ["aww", ".", "so", "cute", ",", "eww", "."]),
        (
            "a.b.com a..b.com x_a.com a@b.org",
            ["<url>", "a", ".", "<url>", "x_a", ".", "com", "a", "@", "<url>"],
        ),
        ("$5 a-b (c)", ["$", "0", "a", "-", "b", "(", "c", ")"]),
        ("", []),
        (" \t\n\u200b\x00", []),
    ],
)
def test_what_tweets_hold_becomes_words(text, expected):
    assert words(text) == expected


def test_offsets_of_names_and_addresses_cover_them():
    tokenizer = train_tokenizer(["hi"], vocab_size=100)
    text = "Hi @Bob_1, see https://example.org/a?b or www.example.org, example.com/c and loooong"
    offsets = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    found = [text[start:end] for start, end in offsets]
    expected = ["Hi", "@Bob_1", ",", "see", "https://example.org/a?b", "or", "www.example.org,", "example.com/c", "and"]
    assert found == [*expected, "loooong"]


def test_special_tokens_in_a_text_are_text(tmp_path):
    tokenizer = train_tokenizer(["[PAD] [UNK]"], vocab_size=100)
    save_tokenizer(tokenizer, tmp_path)
    for each in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        assert each.convert_ids_to_tokens(each("[PAD][UNK]")["input_ids"]) == ["[", "pad", "]", "[", "unk", "]"]
        assert (each.pad_token_id, each.unk_token_id) == (0, 1)
    read_alone = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert read_alone.encode("[PAD]").tokens == ["[", "pad", "]"]


def test_a_tokenizer_of_the_first_version_has_the_rules_of_today_once_it_is_extended():
    first = PreTrainedTokenizerFast(tokenizer_object=first_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    first.backend_tokenizer.model = WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 2}, unk_token="[UNK]")
    extended = extend_tokenizer(first, ["很好 good"], vocab_size=None, min_frequency=1)
    assert extended.convert_ids_to_tokens(extended("good 好很")["input_ids"]) == ["good", "好", "很"]


def test_vocabulary_holds_the_most_frequent_words_of_the_training_texts():
    tokenizer = train_tokenizer(["b a a", "a b c d"], vocab_size=4)
    assert tokenizer.get_vocab() == {"[PAD]": 0, "[UNK]": 1, "a": 2, "b": 3}
    assert tokenizer("c a e")["input_ids"] == [1, 2, 1]


def test_user_names_are_no_words_with_or_without_their_mark():
    texts = ["@Some_Fan hi @Some_Fan", "some_fan hi home", "home alone @home @user's"]
    tokenizer = train_tokenizer(texts, vocab_size=100)
    assert set(tokenizer.get_vocab()) == {"[PAD]", "[UNK]", "<user>", "hi", "home", "alone", "'", "s"}
    assert tokenizer.get_vocab()["<user>"] == 2
    assert tokenizer.convert_ids_to_tokens(tokenizer("@other hi")["input_ids"]) == ["<user>", "hi"]


def test_words_below_the_minimum_frequency_stay_unknown():
    tokenizer = train_tokenizer(["a a b"], vocab_size=100, min_frequency=2)
    assert set(tokenizer.get_vocab()) == {"[PAD]", "[UNK]", "a"}


def test_batches_are_padded_on_the_right_with_a_mask():
    tokenizer = train_tokenizer(["a b c"], vocab_size=100)
    batch = tokenizer(["a b", "", "a b c"], padding=True)
    assert batch["attention_mask"] == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]
    assert batch["input_ids"][1] == [0, 0, 0]
    assert set(batch) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize(("kwargs", "message"), [({"vocab_size": 2}, "vocab_size is 2"), ({"min_frequency": 5}, "5")])
def test_a_vocabulary_without_words_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        train_tokenizer(["a b c"], **({"vocab_size": 100} | kwargs))


def test_a_saved_tokenizer_gives_the_same_ids_and_a_class_that_all_versions_know(tmp_path):
    tokenizer = train_tokenizer(["a b c :) http://example.com"], vocab_size=100)
    save_tokenizer(tokenizer, tmp_path)
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(loaded, PreTrainedTokenizerFast)
    texts = ["A b :)", "www.example.org zzz", ""]
    assert loaded(texts)["input_ids"] == tokenizer(texts)["input_ids"]
    assert (loaded.pad_token_id, loaded.unk_token_id, loaded.padding_side) == (0, 1, "right")
