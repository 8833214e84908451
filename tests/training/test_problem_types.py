"""Multi-label problems, regression and token classification: what a step learns, and what a training saves."""

import json
import re
from functools import cache

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from arguments import parse_arguments
from commands import run_main
from one_step import PLAIN, check_weights, make_trainer, weights_after
from safetensors.torch import load_file
from transformers import pipeline

from hf_brnn.commands.evaluate import main as evaluate
from hf_brnn.commands.predict import main as predict
from hf_brnn.commands.train import main as train
from hf_brnn.data.arguments import SAMPLE_FILES
from hf_brnn.data.files import read_batches
from hf_brnn.evaluation.metrics import METRIC_NAMES
from hf_brnn.hub.handler import EndpointHandler
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.load import load
from hf_brnn.inference.onnx_classifier import OnnxClassifier
from hf_brnn.training import trainer as training
from hf_brnn.training.arguments import build_arguments
from hf_brnn.training.base_model import BaseModel
from hf_brnn.training.build import build_model
from hf_brnn.training.options import read_recipe, recipe_path
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.run import run

TEXTS = ["late and torn", "cheap, and it works", "the box was wet", "far too expensive for me"]
ROWS = 60
LABELS = ["delivery", "price", "quality"]
TOPICS = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]])
STARS = np.array([[-120.0, 2.5], [90.0, 0.5], [-100.0, 1.0], [7.0, 4.0]])
TAGS = ["O", "B-THING"]
SMOOTHING = 0.1


def repeat(values):
    return [values[row % len(values)] for row in range(ROWS)]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def texts_of_rows():
    return [f"{text} number {row}" for row, text in enumerate(repeat(TEXTS))]


def topic_rows():
    names = [[name for name, is_on in zip(LABELS, row) if is_on] for row in repeat(TOPICS)]
    return [{"text": text, "labels": labels} for text, labels in zip(texts_of_rows(), names)]


def star_rows():
    return [{"text": text, "stars": a, "minutes": b} for text, (a, b) in zip(texts_of_rows(), repeat(STARS.tolist()))]


def tag_of(word):
    return TAGS[word in ("box", "number")]


def word_rows():
    return [{"tokens": text.split(), "tags": [*map(tag_of, text.split())]} for text in texts_of_rows()]


def topic_loss(logits, batch, weights):
    """Binary cross-entropy, written out."""
    targets = torch.tensor(np.array(repeat(TOPICS)), dtype=torch.float64) * (1 - SMOOTHING) + SMOOTHING / 2
    losses = -(targets * logits.sigmoid().log() + (1 - targets) * (1 - logits.sigmoid()).log()).mean(dim=1)
    return (weights * losses).sum() / ROWS


def star_loss(logits, batch, weights):
    """Squared error of standardized targets."""
    targets = torch.tensor(np.array(repeat(STARS)))
    targets = (targets - targets.mean(dim=0)) / targets.std(dim=0, correction=0)
    return (weights * ((logits - targets) ** 2).mean(dim=1)).sum() / ROWS


def word_loss(logits, batch, weights):
    """Cross-entropy of the first token of each word: the mean over all words of the step."""
    total, words = 0, 0
    for row, text in enumerate(texts_of_rows()):
        log_probabilities = logits[row].log_softmax(dim=-1)
        places = range(int(batch["attention_mask"][row].sum()))
        token_of_start = {batch.token_to_chars(row, place).start: place for place in places}
        for word in re.finditer(r"\S+", text):
            log_probability = log_probabilities[token_of_start[word.start()], TAGS.index(tag_of(word[0]))]
            total, words = total - weights[row] * log_probability, words + 1
    return total / words


PROBLEMS = {
    "topics": (topic_rows, topic_loss, ["--problem_type=multi_label_classification", "--label_smoothing_factor=0.1"]),
    "stars": (star_rows, star_loss, ["--problem_type=regression", "--label_columns", "stars", "minutes"]),
    "words": (word_rows, word_loss, ["--problem_type=token_classification", "--label_names", *TAGS]),
}


@pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("streaming", [(), ("--streaming",)], ids=["rows", "stream"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_step_follows_the_gradient_of_the_loss(tmp_path, monkeypatch, problem, streaming, is_weighted):
    monkeypatch.setattr(training, "MAX_MICRO_BATCH_TOKENS", 30)  # several micro-batches a batch
    make_rows, loss_of, arguments = PROBLEMS[problem]
    weights = np.random.default_rng(0).uniform(0, 5, ROWS).round(3) if is_weighted else np.ones(ROWS)
    rows = [row | {"weight": weight} for row, weight in zip(make_rows(), weights)]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    argv = [*PLAIN, f"--data_files={path}", f"--output_dir={tmp_path / 'out'}", *arguments, *streaming]
    argv += ["--weight_column=weight"] if is_weighted else []
    trainer, data = make_trainer(argv, tmp_path / "data")
    model = trainer.model

    batch = data.tokenizer(texts_of_rows(), padding=True, return_tensors="pt")
    logits = model.eval()(batch["input_ids"], batch["attention_mask"]).logits
    loss = loss_of(logits, batch, torch.tensor(weights / weights.mean()))
    expected = weights_after(model, loss)

    trainer.train()
    check_weights(model, expected, atol=1e-6)


cached_handler = cache(EndpointHandler)
RECIPES = ("quickstart_multi_label", "quickstart_regression", "quickstart_tokens")
# Texts of the samples, with what tokenizers and runtimes may stumble over.
CASES = {
    "quickstart_multi_label": ["the parcel came a day early but the zip jams", "qwxyz", "", "a " * 300],
    "quickstart_regression": ["the best soup in town", "qwxyz", "", "the soup was lukewarm " * 80],
    "quickstart_tokens": [
        "Anna moved  to\tLake Vener",
        "qwxyz",
        "",
        "Sam works for Nordbank, he said " * 60,
        "\u200b Oslo",
    ],
}


@pytest.fixture(scope="module", params=RECIPES)
def trained(request, tmp_path_factory):
    """A small model of each kind, trained on its sample, with its graphs."""
    from hf_brnn.onnx.export import export_onnx

    folder = tmp_path_factory.mktemp("runs") / request.param
    values = read_recipe(recipe_path(request.param)) | {"hidden_size": 24, "num_train_epochs": 6, "disable_tqdm": True}
    values["per_device_train_batch_size"] = 64
    values |= {"output_dir": str(folder), "precision": "fp32", "learning_rate": 0.02}
    run(build_arguments(values))
    export_onnx(folder)
    return folder


def flat(scores):
    return np.concatenate([np.ravel(row) for row in scores])


def test_all_runtimes_give_the_same_scores(trained):
    texts = CASES[trained.name]
    in_torch, in_onnx, in_int8 = TorchClassifier(trained), OnnxClassifier(trained, False), OnnxClassifier(trained)
    expected = flat(in_torch(texts))
    np.testing.assert_allclose(flat(in_onnx(texts)), expected, atol=1e-5)
    np.testing.assert_allclose(flat(in_int8(texts)), expected, atol=0.05)
    if trained.name == "quickstart_regression":
        assert in_onnx.predict(texts) == pytest.approx(in_torch.predict(texts), abs=1e-5)
        assert in_torch.predict(texts) == expected.tolist()
    else:
        assert in_onnx.predict(texts) == in_torch.predict(texts)


def test_the_pipeline_and_the_handler_give_the_same_scores(trained):
    texts = [text for text in CASES[trained.name] if text and "\u200b" not in text]
    classifier = TorchClassifier(trained)
    scores, names, handler = classifier(texts), classifier.label_names, EndpointHandler(str(trained))
    if trained.name == "quickstart_tokens":
        tagger = pipeline("token-classification", model=str(trained), trust_remote_code=True, ignore_labels=[])
        for text, rows in zip(texts, scores):
            tokens = {token["start"]: token for token in tagger(text)}
            first = [tokens[word.start()] for word in re.finditer(r"\S+", text)]
            assert [token["entity"] for token in first] == [names[row.argmax()] for row in rows]
            assert [token["score"] for token in first] == pytest.approx(rows.max(axis=1).tolist(), abs=1e-5)
        tags = [tag for tag in classifier.predict(texts[:1])[0] if tag != "O"]
        assert [each["entity"] for each in handler({"inputs": texts[0]})[0]] == tags != []
        return
    everything = pipeline("text-classification", model=str(trained), trust_remote_code=True, top_k=None)
    for found, row in zip(everything(texts), scores):
        assert {each["label"]: each["score"] for each in found} == pytest.approx(dict(zip(names, row)), abs=1e-5)
    answers = handler({"inputs": texts})
    if trained.name == "quickstart_regression":
        assert [each["score"] for each in answers] == pytest.approx(classifier.predict(texts), abs=1e-5)
    else:
        assert [{each["label"] for each in row} for row in answers] == [set(row) for row in classifier.predict(texts)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inputs": 3}, "inputs is 3, expected a text or a list"),
        ({"inputs": ["a"] * 1001}, "inputs holds 1,001 texts, but at most 1,000"),
        ({"inputs": "a" * 10_001}, "a text of over 10,000 characters"),
        ({"inputs": "a", "parameters": [1]}, "parameters is [1], expected an object"),
        ({"inputs": "a", "parameters": {"num_workers": 12}}, "parameters has 'num_workers', expected"),
        ({"inputs": "a", "parameters": {"function_to_apply": "bad"}}, "function_to_apply"),
        ({"inputs": "a", "parameters": {"top_k": 0}}, "top_k"),
        ({"inputs": "a", "parameters": {"top_k": True}}, "top_k"),
    ],
)
def test_the_handler_refuses_what_it_should_not_run(trained, data, message):
    handler = cached_handler(str(trained))
    with pytest.raises(ValueError) as error:
        handler(data)
    assert message in str(error.value)


def test_commands_predict_and_evaluate(trained, tmp_path, capsys):
    sample = SAMPLE_FILES[read_recipe(recipe_path(trained.name))["dataset_name"]]
    output = tmp_path / f"scored{sample.suffix}"
    run_main(predict, trained, "--input", sample, "--output", output, capsys=capsys)
    (scored,) = read_batches(output, print)
    columns = scored.table.to_pydict()
    classifier = load(trained)
    texts = [" ".join(words) for words in columns["tokens"]] if "tokens" in columns else columns["text"]
    predicted = classifier.predict(texts)
    ended = run_main(
        evaluate, trained, "--dataset_name", read_recipe(recipe_path(trained.name))["dataset_name"],
        "--output_dir", tmp_path / "evaluation", capsys=capsys,
    )  # fmt: skip
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    if trained.name == "quickstart_regression":
        assert "label" not in columns
        assert [float(score) for score in columns["score"]] == pytest.approx(predicted, abs=1e-4)
        errors = np.array(classifier.predict(texts)) - np.array(columns["stars"], float)
        assert metrics["mae"] == pytest.approx(np.abs(errors).mean(), abs=0.02)  # in torch, not int8
        assert (tmp_path / "evaluation" / "predictions.png").is_file()
        return
    separator = " " if trained.name == "quickstart_tokens" else "|"
    assert columns["label"] == [separator.join(labels) for labels in predicted]
    assert "class" in ended.stdout and "micro_f1" in metrics and "confusion_matrix" not in metrics


@pytest.mark.ray
@pytest.mark.slow
def test_ray_writes_what_one_process_writes(trained, tmp_path, capsys):
    sample = SAMPLE_FILES[read_recipe(recipe_path(trained.name))["dataset_name"]]
    (batch,) = read_batches(sample, print)
    (tmp_path / "in").mkdir()
    pq.write_table(batch.table, tmp_path / "in" / "a.parquet")
    run_main(
        predict, trained, "--engine", "ray", "--input", tmp_path / "in", "--output", tmp_path / "out", capsys=capsys
    )
    run_main(
        predict, trained, "--input", tmp_path / "in" / "a.parquet", "--output", tmp_path / "one.parquet", capsys=capsys
    )
    assert pq.read_table(tmp_path / "out" / "a.parquet").equals(pq.read_table(tmp_path / "one.parquet"))


def test_what_is_saved_says_what_it_is(trained):
    config = json.loads((trained / "config.json").read_text())
    card = (trained / "README.md").read_text()
    metrics = json.loads((trained / "metrics.json").read_text())
    kind = read_recipe(recipe_path(trained.name))["problem_type"]
    assert config.get("problem_type") == (None if kind == "token_classification" else kind)
    task = "token-classification" if kind == "token_classification" else "text-classification"
    assert f"pipeline_tag: {task}" in card and f'pipeline("{task}"' in card
    assert list(metrics["test"]) == ["rows", "loss", *METRIC_NAMES[kind]]
    assert set(metrics["per_class"]) == (set() if kind == "regression" else {"validation", "test"})
    load_file(trained / "model.safetensors")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--problem_type=regression", "--tune_thresholds=f1"], "tune_thresholds is 'f1', but must be left out"),
        (
            ["--label_columns", "a", "b", "--class_weight=balanced"],
            "class_weight is ['balanced'], but must be left out",
        ),
        (["--problem_type=regression", "--metric_for_best_model=macro_f1"], "must be loss, mae, rmse, spearman"),
        (["--problem_type=token_classification", "--label_separator=;"], "label_separator is ';', which is for multi"),
        (["--problem_type=several"], "problem_type is 'several', but must be"),
    ],
)
def test_options_of_another_kind_of_problem_are_refused(tmp_path, capsys, arguments, message):
    path = write_rows(tmp_path / "rows.jsonl", topic_rows())
    ended = run_main(train, path, *arguments, "--output_dir", tmp_path / "out", capsys=capsys)
    assert ended.code and message in ended.stderr


def test_a_regression_goes_on_from_a_regression(tmp_path):
    """The output layer of the first model is kept, in the units of its targets."""
    path = write_rows(tmp_path / "rows.jsonl", star_rows())
    values = {"data_files": [str(path)], "label_columns": ["stars"], "problem_type": "regression", "test_size": 0}
    values |= {"validation_size": 0.2, "hidden_size": 12, "embedding_size": 12, "disable_tqdm": True}
    values |= {"precision": "fp32", "num_train_epochs": 1, "load_best_model_at_end": False, "learning_rate": 1e-12}
    run(build_arguments(values | {"output_dir": str(tmp_path / "first")}))
    start = {"model_name_or_path": str(tmp_path / "first"), "hidden_size": None, "embedding_size": None}
    values = {name: value for name, value in (values | start).items() if value is not None}
    write_rows(tmp_path / "rows.jsonl", [row | {"stars": 10 * row["stars"] + 3} for row in star_rows()])
    run(build_arguments(values | {"output_dir": str(tmp_path / "second")}))
    first, second = (load(tmp_path / name).predict(TEXTS) for name in ("first", "second"))
    assert second == pytest.approx(first, rel=1e-4)


def test_a_new_target_beside_a_kept_one_begins_as_a_new_one(tmp_path):
    """Its weights are random and its bias is 0, whatever the scale of its numbers is."""
    path = write_rows(tmp_path / "rows.jsonl", star_rows())
    common = [f"--data_files={path}", "--problem_type=regression", "--num_train_epochs=1", "--save_strategy=no"]
    common += ["--eval_strategy=no", "--load_best_model_at_end=false", "--validation_size=0", "--test_size=0"]
    first = read_recipe(recipe_path("quickstart_regression")) | {"output_dir": str(tmp_path / "first")}
    first |= {"data_files": [str(path)], "label_columns": ["stars"], "validation_size": 0.2, "hidden_size": 5}
    run(build_arguments({**first, "num_train_epochs": 1, "disable_tqdm": True}))
    argv = [*common, f"--output_dir={tmp_path / 'out'}", "--label_columns", "stars", "minutes"]
    argv += [f"--model_name_or_path={tmp_path / 'first'}"]
    arguments = parse_arguments(argv, recipe_path("finetune"))
    data = prepare_data(
        arguments.data, arguments.training, tmp_path / "data", base=BaseModel.find(str(tmp_path / "first"))
    )
    head = build_model(arguments.model, arguments.training, data).classifier
    saved = TorchClassifier(tmp_path / "first").model.classifier
    scale = data.target_scale
    torch.testing.assert_close(head.weight[0], saved.weight[0] / scale.std[0])
    torch.testing.assert_close(head.bias[0], (saved.bias[0] - scale.mean[0]) / scale.std[0])
    assert head.bias[1] == 0 and 0 < head.weight[1].std() < 1
