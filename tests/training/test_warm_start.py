"""Starting from a model: what is kept of it, what is new, and what is refused."""

import csv
import json
import re

import numpy as np
import pytest
import torch
import yaml
from arguments import parse_arguments
from commands import run_main
from forks import run_together
from huggingface_hub import ModelCard
from processes import QUICKSTART, start_training, train, wait_for_checkpoints
from reports import make_report
from safetensors.torch import load_file
from transformers import AutoModel, PreTrainedTokenizerFast

import hf_brnn
from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.commands.train import check_before_training, main, parse_values
from hf_brnn.hub.layout import check_model_directory
from hf_brnn.hub.push import push
from hf_brnn.hub.save import save_model_directory
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.model.tokenization_brnn import train_tokenizer
from hf_brnn.training.arguments import build_arguments
from hf_brnn.training.base_model import BaseModel
from hf_brnn.training.build import build_trainer
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.warm_start import spell_new_words

TEXTS = ("such a happy day", "what a sad day", "a happy cat", "the sad dog", "happy happy", "so sad")
NEW_TEXTS = ("the happiest day #happy 😍", "the saddest day 😍 #happy", "a happiest cat", "saddest of all")
WITHOUT_DROPOUT = ("--embedding_dropout", 0, "--word_dropout", 0, "--classifier_dropout", 0, "--precision", "fp32")
SIZES = {"embedding_size": 8, "hidden_size": 6, "pooling": "max_mean"}
EMBEDDING = "brnn.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The directory of a small model for the labels sad and happy, in this order."""
    folder = tmp_path_factory.mktemp("base") / "moods"
    tokenizer = train_tokenizer(TEXTS, 20)
    torch.manual_seed(0)
    config = BrnnConfig(
        vocab_size=len(tokenizer),
        id2label={0: "sad", 1: "happy"},
        initializer_range=1.0,
        classifier_dropout=0.4,
        **SIZES,
    )
    save_model_directory(folder, BrnnForSequenceClassification(config), tokenizer, make_report())
    return folder


@pytest.fixture(params=[torch.float32, torch.float16], ids=["float32", "float16"])
def encoder(base, tmp_path, request):
    """The directory of the encoder of `base`, without its classifier."""
    folder = tmp_path / "encoder"
    AutoModel.from_pretrained(base).to(request.param).save_pretrained(folder)
    PreTrainedTokenizerFast.from_pretrained(base).save_pretrained(folder)
    return folder


@pytest.fixture
def write_rows(tmp_path):
    def write(name, texts, labels, count=40):
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = [(f"{text} {number}", labels[number % len(labels)]) for number in range(count) for text in texts]
            csv.writer(file).writerows([("text", "label"), *rows[:count]])
        return path

    return write


@pytest.fixture
def make_trainer(base, tmp_path):
    """Makes the trainer of a command line that starts from `base`."""

    def make(file, *arguments):
        argv = [file, "--model_name_or_path", base, "--output_dir", tmp_path / "run", "--use_cpu", *arguments]
        recipe = hf_brnn.training.options.recipe_path("finetune")
        arguments = parse_arguments(argv, recipe)
        start = BaseModel.find(arguments.model.model_name_or_path)
        data = prepare_data(arguments.data, arguments.training, tmp_path / "data", base=start)
        return build_trainer(arguments.model, arguments.training, data, shows_progress=False)

    return make


def logits_of(model, tokenizer, texts):
    return TorchClassifier.from_model(model, tokenizer)(list(texts))


@pytest.mark.parametrize("ngrams", [False, True])
@pytest.mark.parametrize("extend", [False, True])
def test_rows_of_the_same_labels_go_on_with_the_models_scores(base, make_trainer, write_rows, ngrams, extend):
    file = write_rows("new.csv", NEW_TEXTS, ["Happy", "sad"])
    trainer = make_trainer(file, "--ngram_embeddings", ngrams, "--extend_vocabulary", extend)
    assert trainer.model.config.id2label == {0: "sad", 1: "happy"}
    found = logits_of(trainer.model, trainer.processing_class, TEXTS)
    np.testing.assert_allclose(found, hf_brnn.load(base)(list(TEXTS)), atol=1e-6)


def test_a_label_that_new_rows_lack_stays(make_trainer, write_rows):
    file = write_rows("new.csv", TEXTS, ["happy", "sad"])
    three = make_trainer(file, "--label_names", "happy", "angry", "sad").model
    assert list(three.config.id2label.values()) == ["happy", "angry", "sad"]


def test_other_labels_keep_the_outputs_of_equal_names(base, make_trainer, write_rows):
    file = write_rows("new.csv", TEXTS, ["calm", "happy", "angry"])
    model = make_trainer(file).model
    saved = load_file(base / "model.safetensors")
    assert list(model.config.id2label.values()) == ["angry", "calm", "happy"]
    for name in ("weight", "bias"):
        now, before = model.classifier.get_parameter(name).detach(), saved[f"classifier.{name}"]
        torch.testing.assert_close(now[2], before[1])
        assert not any(torch.equal(now[row], other) for row in (0, 1) for other in before) or name == "bias"
    encoder = {name: value for name, value in model.state_dict().items() if "encoder" in name}
    assert len(encoder) == 8
    for name, value in encoder.items():
        torch.testing.assert_close(value, saved[name])


def test_an_encoder_without_a_classifier_is_a_start(base, encoder, make_trainer, write_rows):
    file = write_rows("new.csv", NEW_TEXTS, ["happy", "sad"])
    model = make_trainer(file, "--model_name_or_path", encoder, "--ngram_embeddings", False).model
    assert list(model.config.id2label.values()) == ["happy", "sad"]
    saved, found = load_file(base / "model.safetensors"), model.state_dict()
    (dtype,) = {values.dtype for values in load_file(encoder / "model.safetensors").values()}
    assert len(found[EMBEDDING]) > len(saved[EMBEDDING])
    for name, values in saved.items():
        same = torch.equal(found[name][: len(values)], values.to(dtype).to(found[name].dtype))
        assert same == (name != "classifier.weight"), name  # biases start as 0
    with pytest.raises(ValueError, match=r"encoder without a classifier.*--model_name_or_path"):
        check_model_directory(encoder)


def test_an_encoder_without_weights_is_refused(base, encoder):
    (encoder / "model.safetensors").write_bytes((base / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"no complete encoder: it has no embeddings\.word_embeddings\.weight"):
        check_model_directory(encoder, allow_encoder=True)


def test_the_words_of_the_model_keep_their_ids_and_new_words_follow(base, make_trainer, write_rows):
    file = write_rows("new.csv", NEW_TEXTS, ["happy", "sad"])
    known = BaseModel.find(str(base))
    plain, extended = (
        make_trainer(file, "--extend_vocabulary", extend, "--ngram_embeddings", False) for extend in (False, True)
    )
    before, after = (trainer.processing_class.get_vocab() for trainer in (plain, extended))
    assert len(before) == plain.model.config.vocab_size == len(known.vocabulary)
    assert before.items() <= after.items()
    assert {"happiest", "saddest", "#happy", "😍"} <= after.keys() - before.keys()
    assert sorted(after.values()) == list(range(extended.model.config.vocab_size))
    assert "all" not in {*make_trainer(file, "--min_frequency", 11).processing_class.get_vocab()}
    limited = make_trainer(file, "--vocab_size", len(known.vocabulary) + 1).processing_class
    assert len(limited) == len(known.vocabulary) + 1


def test_a_smaller_vocabulary_keeps_the_words_that_the_rows_hold_most_often(base, make_trainer, write_rows):
    file = write_rows("new.csv", ["sad sad sad sad saddest saddest saddest happy", "very sad"], ["sad", "happy"])
    options = ("--vocab_size", 6, "--validation_size", 0.5, "--ngram_embeddings", False)
    trainer = make_trainer(file, *options)
    words = trainer.processing_class.get_vocab()
    known = BaseModel.find(str(base)).vocabulary
    assert sorted(words, key=words.__getitem__)[:2] == ["[PAD]", "[UNK]"]
    assert len(words) == 6 < len(known)
    assert {"sad", "saddest"} <= words.keys()
    assert "saddest" not in known
    saved = load_file(base / "model.safetensors")["brnn.embeddings.word_embeddings.weight"]
    vectors = trainer.model.get_input_embeddings().weight.detach()
    for word in words.keys() & known.keys():
        torch.testing.assert_close(vectors[words[word]], saved[known[word]])


def test_a_new_word_starts_as_the_mean_of_words_that_are_spelt_alike():
    words = ["[PAD]", "sad", "sadly", "glad", "x", "saddest", "😍"]
    vectors = torch.randn(len(words), 3, generator=torch.Generator().manual_seed(0))
    before = vectors.clone()
    spell_new_words(vectors, words, 5)
    # <sa sad <sad of sad and sadly; adl dly and so on aren't in saddest; nothing of glad is.
    torch.testing.assert_close(vectors[5], (before[1] + before[2]) / 2)
    assert torch.equal(vectors[:5], before[:5])
    assert torch.equal(vectors[6], before[6])


@pytest.mark.parametrize(
    ("option", "value", "own"),
    [("embedding_size", 9, 8), ("hidden_size", 7, 6), ("cell_type", "gru", "lstm"), ("pooling", "last", "max_mean")],
)
def test_a_size_that_is_not_the_models_is_refused(base, write_rows, option, value, own):
    argv = [write_rows("new.csv", TEXTS, "ab"), "--model_name_or_path", base, f"--{option}", value]
    with pytest.raises(ValueError, match=rf"{option} is {value}, but .*moods has {own}.*leave out --{option}"):
        check_before_training(parse_values([*map(str, argv)]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*QUICKSTART, "--freeze", "encoder"], "freeze is encoder, but this training starts from no model"),
        ([*QUICKSTART, "--extend_vocabulary"], "extend_vocabulary is True.*give --model_name_or_path"),
        (["--model_name_or_path", "BASE", "--vocab_size", "99", "--extend_vocabulary", "False"], "vocab_size is 99"),
        (
            ["--model_name_or_path", "BASE", "--vocab_size", "3", "--extend_vocabulary", "False"],
            "vocab_size is 3, but .* words",
        ),
        (["--model_name_or_path", "BASE", "--model_revision", "v1"], "a revision is for a model on the Hub"),
        (["--model_name_or_path", "/none/a/b"], "/none/a/b: there is no such directory"),
        (["--model_name_or_path", "BASE", "--freeze", "head"], "freeze is 'head', but must be embeddings or encoder"),
    ],
)
def test_options_that_do_not_fit_are_refused(base, write_rows, arguments, message, capsys):
    argv = [str(write_rows("new.csv", TEXTS, ["happy", "sad"]))]
    argv += [str(base) if argument == "BASE" else argument for argument in arguments]
    with pytest.raises((ValueError, OSError, SystemExit)) as error:
        check_before_training(parse_values(argv))
    assert re.search(message, str(error.value) + capsys.readouterr().err)


@pytest.mark.parametrize("options", [[], ["--streaming"], ["--vocab_size", "10"]])
@pytest.mark.parametrize(("texts", "is_told"), [(TEXTS, False), (("un jour triste", "le chat content"), True)])
def test_rows_of_mostly_new_words_are_told_of(base, write_rows, tmp_path, caplog, options, texts, is_told):
    file = write_rows("new.csv", texts * 4, ["happy", "sad"] * 2 * len(texts))
    argv = [file, "--model_name_or_path", base, "--output_dir", tmp_path / "run", "--validation_size", 0]
    arguments = build_arguments(parse_values([*map(str, argv), *options]))
    prepare_data(arguments.data, arguments.training, tmp_path / "data", base=BaseModel.find(str(base)))
    assert ("% of the words of the training rows are new to moods" in caplog.text) == is_told


def test_dropouts_are_the_models_unless_they_are_given(base, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"model_name_or_path: {base}\nword_dropout: 0.25\n")
    found = parse_arguments([], recipe)
    assert (found.model.classifier_dropout, found.model.word_dropout) == (0.4, 0.25)


def test_the_recipe_of_a_start_from_a_model_is_finetune():
    values = parse_values(["new.csv", "--model-name-or-path", "runs/old"])
    assert values["extend_vocabulary"] is True
    assert values["model_name_or_path"] == "runs/old"
    assert values["output_dir"] == "runs/new"


def test_a_training_starts_from_the_encoder_of_the_package_if_no_recipe_is_named(write_rows, tmp_path):
    file = write_rows("new.csv", TEXTS, ["happy", "sad"])
    for config, start in (([], "brnn-tweet-encoder; labels kept: none"), (QUICKSTART, "random weights")):
        arguments = build_arguments(parse_values([str(file), *config, "--validation_size", "4", "--test_size", "0"]))
        base = BaseModel.find(arguments.model.model_name_or_path)
        summary = prepare_data(arguments.data, arguments.training, tmp_path / "data", base=base).summary
        assert f"start    {start}\n" in summary


def changed_parts(trainer):
    """Trains; returns which parts have changed."""
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train()
    parts = {"embeddings": "embeddings", "encoder": "encoder", "classifier": "classifier"}
    after = trainer.model.state_dict()
    return {
        part for part in parts if any(part in name and not torch.equal(after[name], before[name]) for name in after)
    }


@pytest.mark.parametrize("epsilon", [0, 0.1])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), {"embeddings", "encoder", "classifier"}),
        (("--freeze", "embeddings"), {"encoder", "classifier"}),
        (("--freeze", "encoder"), {"classifier"}),
        (("--head_learning_rate", 0), {"embeddings", "encoder"}),
        (("--learning_rate", 0, "--head_learning_rate", 0.01), {"classifier"}),
    ],
)
def test_what_is_frozen_or_has_a_learning_rate_of_0_stays(make_trainer, write_rows, arguments, expected, epsilon):
    file = write_rows("new.csv", NEW_TEXTS, ["happy", "sad"])
    once = ("--num_train_epochs", 1, "--lr_scheduler_type", "constant", "--ngram_embeddings", "False")
    assert changed_parts(make_trainer(file, *once, "--adversarial_epsilon", epsilon, *arguments)) == expected


def test_frozen_embeddings_and_ngrams_contradict(make_trainer, write_rows):
    with pytest.raises(ValueError, match="ngram_embeddings trains the embeddings, which freeze embeddings keeps"):
        make_trainer(write_rows("new.csv", TEXTS, ["happy", "sad"]), "--freeze", "embeddings", "--ngram_embeddings")


def test_the_saved_configuration_trains_the_same_model_and_the_card_names_the_first(
    base, write_rows, tmp_path, monkeypatch, capsys
):
    write_rows("new.csv", NEW_TEXTS, ["calm", "happy"])
    monkeypatch.chdir(base.parent)
    (tmp_path / "new.csv").rename(base.parent / "new.csv")
    first, second = tmp_path / "first", tmp_path / "second"
    short = ("--num_train_epochs", 2, "--head_learning_rate", 0.003, "--output_dir")
    run = run_main(main, "new.csv", "--model_name_or_path", base, *short, first, capsys=capsys)
    assert run.code == 0, run.stderr
    assert "start    moods; labels kept: happy" in run.stdout
    config = yaml.safe_load((first / "training_config.yaml").read_text())
    assert (config["model_name_or_path"], config["hidden_size"], config["extend_vocabulary"]) == ("moods", 6, True)
    assert str(base.parent) not in (first / "training_config.yaml").read_text() + (first / "README.md").read_text()
    again = run_main(main, "--config", first / "training_config.yaml", "--output_dir", second, capsys=capsys)
    assert again.code == 0, again.stderr
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    card = ModelCard.load(first / "README.md")
    assert "base_model" not in card.data.to_dict()  # the Hub has no such model
    assert "base_model_relation" not in card.data.to_dict()
    assert "The training started from the weights of `moods`." in card.text
    assert "ngram" not in " ".join(load_file(first / "model.safetensors"))


def test_a_model_of_the_hub_is_named_with_its_commit(base, server, write_rows, tmp_path, capsys):
    push(base, "alice/moods", revision="v1", token="alice")
    commit = server.repositories["alice/moods"].branches["v1"]
    file = write_rows("new.csv", NEW_TEXTS, ["calm", "happy"])
    arguments = ("--model_name_or_path", "alice/moods", "--model_revision", "v1", "--num_train_epochs", 1)
    run = run_main(main, file, *arguments, "--output_dir", tmp_path / "run", capsys=capsys)
    assert run.code == 0, run.stderr
    config = yaml.safe_load((tmp_path / "run" / "training_config.yaml").read_text())
    assert (config["model_name_or_path"], config["model_revision"]) == ("alice/moods", commit)
    card = ModelCard.load(tmp_path / "run" / "README.md")
    assert (card.data.base_model, card.data.base_model_relation) == ("alice/moods", "finetune")
    assert f"[alice/moods](https://huggingface.co/alice/moods), commit {commit}" in card.text
    missing = run_main(main, file, "--model_name_or_path", "alice/none", capsys=capsys)
    assert missing.stderr.startswith("hf-brnn train: error: alice/none: there is no such directory, and no such model")


def test_streamed_rows_start_from_a_model_too(base, write_rows, tmp_path):
    file = write_rows("new.csv", NEW_TEXTS, ["happy", "sad"])
    found = []
    for streaming in (False, True):
        argv = [file, "--model_name_or_path", base, "--output_dir", tmp_path / "run", "--streaming", streaming]
        arguments = parse_arguments([*argv, "--validation_size", 0], hf_brnn.training.options.recipe_path("finetune"))
        data = prepare_data(
            arguments.data,
            arguments.training,
            tmp_path / "data",
            base=BaseModel.find(arguments.model.model_name_or_path),
        )
        found.append((data.label_names, data.tokenizer.get_vocab()))
    assert found[0] == found[1]
    assert found[0][0] == ["sad", "happy"]


def test_a_classifier_starts_from_a_model(base):
    texts, labels = [*TEXTS] * 4, ["happy", "sad"] * 12
    options = {"model_name_or_path": str(base), "learning_rate": 0.0, "validation_size": 0, "save_fp16": False}
    classifier = hf_brnn.BrnnClassifier(options=options | {"eval_strategy": "no"}).fit(texts, labels)
    assert classifier.classes_.tolist() == ["sad", "happy"]
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), hf_brnn.load(base)(list(TEXTS)), atol=1e-5)


ALL_OPTIONS = ("--head_learning_rate", 0.01, "--num_train_epochs", 6, "--adversarial_epsilon", 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--freeze", "embeddings", "--ngram_embeddings", "False")])
def test_a_killed_and_resumed_run_gives_the_weights_of_one_that_was_not(base, write_rows, tmp_path, more):
    file = write_rows("new.csv", NEW_TEXTS, ["calm", "happy", "sad"], count=400)
    arguments = (file, "--config", "finetune", "--model_name_or_path", base, *ALL_OPTIONS, *more)
    train(tmp_path / "whole", *arguments)
    process = start_training(tmp_path / "killed", *arguments)
    wait_for_checkpoints(process, tmp_path / "killed", 1)
    process.kill()
    process.wait()
    train(tmp_path / "killed", *arguments, "--resume_from_checkpoint")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_two_processes_train_what_one_trains(base, write_rows, tmp_path):
    file = write_rows("new.csv", NEW_TEXTS, ["calm", "happy", "sad"], count=130)
    shared = (
        file,
        "--config",
        "finetune",
        "--model_name_or_path",
        base,
        "--validation_size",
        0,
        "--eval_strategy",
        "no",
    )
    shared += (*WITHOUT_DROPOUT, "--adversarial_epsilon", 0, "--head_learning_rate", 0.01, "--pooling", "max_mean")
    for count in (1, 2):
        size = ("--per_device_train_batch_size", 64 // count, "--output_dir", tmp_path / str(count))
        run_together(count, "scripts/train.py", *shared, *size)
    weights = [load_file(tmp_path / str(count) / "model.safetensors") for count in (1, 2)]
    torch.testing.assert_close(weights[1], weights[0], atol=1e-4, rtol=0)
    configs = [json.loads((tmp_path / str(count) / "config.json").read_text()) for count in (1, 2)]
    assert configs[0] == configs[1]
