"""The loss with weights and soft labels, against a computation of its own in double precision."""

import csv

import numpy as np
import pytest
import torch
from arguments import parse_arguments
from one_step import PLAIN, QUICKSTART, check_weights, make_trainer, weights_after
from sklearn.utils.class_weight import compute_sample_weight

from hf_brnn.data.rows import LabelledRows
from hf_brnn.training import trainer as training
from hf_brnn.training.prepare import prepare_data

ROWS = 60
NAMES = ["anger", "joy", "fear"]


@pytest.fixture
def table(tmp_path):
    """Rows of three labels of unequal sizes, with weights and with probabilities of the labels."""
    rng = np.random.default_rng(0)
    labels = np.sort(rng.choice(3, ROWS, p=[0.7, 0.2, 0.1]))
    probabilities = 0.5 * np.eye(3)[labels] + 0.5 * rng.dirichlet(np.ones(3), ROWS)
    weights = rng.uniform(0, 5, ROWS).round(3)
    texts = [f"{NAMES[label]} word{rng.integers(5)} number {row}" for row, label in enumerate(labels)]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "feeling", "weight", *(f"score_{name}" for name in NAMES)])
        writer.writerows(zip(texts, [NAMES[i] for i in labels], weights, *probabilities.T))
    return tmp_path / "rows.csv", texts, labels, weights, probabilities


HARD = ("--label_column=feeling", "--label_names", *NAMES)
SOFT = ("--label_probability_columns", *(f"score_{name}" for name in NAMES))


@pytest.mark.parametrize("streaming", [(), ("--streaming",)], ids=["rows", "stream"])
@pytest.mark.parametrize(
    ("arguments", "class_weights", "is_weighted"),
    [
        (HARD, None, False),
        ((*HARD, "--class_weight=balanced"), "balanced", False),
        ((*HARD, "--class_weight", "joy=3", "FEAR=0.5", "--weight_column=weight"), {0: 1, 1: 3, 2: 0.5}, True),
        (SOFT, None, False),
        (
            (*SOFT, "--class_weight=balanced", "--weight_column=weight", "--label_smoothing_factor=0.1"),
            "balanced",
            True,
        ),
    ],
    ids=["plain", "balanced", "numbers and rows", "soft", "soft, balanced, rows, smoothed"],
)
def test_a_step_follows_the_weighted_gradient(
    table, tmp_path, monkeypatch, arguments, class_weights, is_weighted, streaming
):
    path, texts, labels, weights, probabilities = table
    monkeypatch.setattr(training, "MAX_MICRO_BATCH_TOKENS", 30)  # several micro-batches a batch
    argv = [*PLAIN, f"--data_files={path}", f"--output_dir={tmp_path / 'out'}", *arguments, *streaming]
    trainer, data = make_trainer(argv, tmp_path / "data")
    model = trainer.model

    row_weights = compute_sample_weight(class_weights, labels) * (weights if is_weighted else 1)
    row_weights = torch.tensor(row_weights / row_weights.mean())
    targets = torch.tensor(probabilities if "--label_probability_columns" in arguments else np.eye(3)[labels])
    if "--label_smoothing_factor=0.1" in arguments:
        targets = 0.9 * targets + 0.1 / 3
    batch = data.tokenizer(texts, padding=True, return_tensors="pt")
    log_probabilities = model.eval()(**batch).logits.log_softmax(dim=-1)
    loss = -(row_weights[:, None] * targets * log_probabilities).sum() / ROWS
    expected = weights_after(model, loss)

    trainer.train()
    check_weights(model, expected, atol=1e-7)
    assert trainer.state.log_history[-1]["train_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_rows_of_weight_0_count_as_left_out(tmp_path):
    rows = LabelledRows.from_lists(["a b", "a c", "b d"], ["x", "y", "x"], weights=[1, 1, 0])
    assert rows.select([2, 0]).weights.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--class_weight", "glad=2"), "class_weight names 'glad', but the labels are anger, joy, fear"),
        (("--class_weight", "joy=-1"), "class_weight has 'joy=-1', but must be balanced, or a weight"),
        (("--class_weight", "balanced", "joy=2"), "class_weight has 'balanced', but must be"),
        (("--weight_column", "mass"), "no column 'mass' among text, feeling, weight"),
        (("--weight_column", "text"), "weight 'anger word"),
    ],
)
def test_weights_that_do_not_fit_are_refused_before_training(table, tmp_path, arguments, message):
    argv = [*PLAIN, f"--data_files={table[0]}", f"--output_dir={tmp_path / 'out'}", *HARD, *arguments]
    with pytest.raises(ValueError) as error:
        _, data_args, training_args, _ = parse_arguments(argv, QUICKSTART)
        prepare_data(data_args, training_args, tmp_path / "data")
    assert message in str(error.value)


def test_probabilities_that_do_not_fit_are_refused(write_file, tmp_path):
    path = write_file("soft.csv", "text,a,b\nx y,0.5,0.5\nx z,0,0\ny z,-1,2\n")
    argv = [*PLAIN, f"--data_files={path}", f"--output_dir={tmp_path / 'out'}", "--label_probability_columns", "a", "b"]
    _, data_args, training_args, _ = parse_arguments(argv, QUICKSTART)
    with pytest.raises(ValueError) as error:
        prepare_data(data_args, training_args, tmp_path / "data")
    assert "line 3: label probabilities ('0', '0') must be numbers of 0 or more" in str(error.value)
    assert "line 4: label probabilities ('-1', '2')" in str(error.value)


def test_a_split_of_mostly_unknown_words_is_told_of(tmp_path, caplog):
    rows = [f"word{chr(97 + row // 26)}{chr(97 + row % 26)},{'ab'[row % 2]}" for row in range(80)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    argv = [
        *PLAIN,
        f"--data_files={tmp_path / 'rows.csv'}",
        f"--output_dir={tmp_path / 'out'}",
        "--validation_size=0.2",
    ]
    _, data_args, training_args, _ = parse_arguments(argv, QUICKSTART)
    prepare_data(data_args, training_args, tmp_path / "data")
    assert "100 % of the words of the validation split are not in the vocabulary" in caplog.text
