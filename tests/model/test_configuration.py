import pytest
from transformers import AutoConfig

from hf_brnn import BrnnConfig


def test_defaults_are_the_tutorials():
    config = BrnnConfig()
    assert (config.vocab_size, config.embedding_size, config.hidden_size, config.cell_type) == (4000, 256, 196, "lstm")


@pytest.mark.parametrize("auto_class", [BrnnConfig, AutoConfig])
def test_saving_and_loading_gives_an_equal_configuration(tmp_path, auto_class):
    config = BrnnConfig(cell_type="gru", pooling="max_mean", word_dropout=0.1, id2label={0: "A", 1: "B", 2: "C"})
    config.save_pretrained(tmp_path)
    assert auto_class.from_pretrained(tmp_path) == config


def test_different_configurations_are_not_equal():
    assert BrnnConfig(hidden_size=8) != BrnnConfig(hidden_size=9)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("vocab_size", 1, "at least 2"),
        ("embedding_size", 2.5, "an integer"),
        ("hidden_size", -3, "at least 1"),
        ("num_hidden_layers", True, "an integer"),
        ("cell_type", "transformer", "lstm, gru, rnn"),
        ("hidden_act", "gelu", "tanh, relu"),
        ("pooling", "first", "last, max_mean"),
        ("embedding_dropout", 1.0, r"\[0, 1\)"),
        ("input_dropout", -0.1, r"\[0, 1\)"),
        ("recurrent_dropout", "0.5", r"\[0, 1\)"),
        ("classifier_dropout", 2, r"\[0, 1\)"),
        ("word_dropout", float("nan"), r"\[0, 1\)"),
        ("initializer_range", 0, "positive"),
        ("initializer_range", float("inf"), "positive"),
        ("num_labels", 0, "at least 1"),
        ("problem_type", "ranking", "regression"),
        ("pad_token_id", 4000, r"\[0, 4000\)"),
        ("unk_token_id", -1, r"\[0, 4000\)"),
        ("unk_token_id", 0, "different from pad_token_id"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(field, value, allowed):
    with pytest.raises(ValueError, match=rf"{field}.*{value!r}.*{allowed}"):
        BrnnConfig(**{field: value})
