"""What holds on a CUDA device."""

import copy
import json
import subprocess
import sys

import pytest
import torch
from arguments import parse_arguments
from models import CELLS, make_batch, make_model
from processes import REPOSITORY
from transformers import AutoModelForSequenceClassification, TrainerCallback

from hf_brnn.training.build import build_trainer
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.speed import cuda_graphs
from hf_brnn.training.speed.batchwise_dropout import use_batchwise_dropout
from hf_brnn.training.speed.cuda_graphs import GraphedClassifier

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

QUICKSTART = REPOSITORY / "configs" / "quickstart.yaml"


def gradients_of(model, loss):
    loss.backward()
    return torch.cat([parameter.grad.double().cpu().flatten() for parameter in model.parameters()])


def relative_error(values, expected):
    return ((values.double().cpu() - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-3), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize("pooling", ["last", "max_mean"])
@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
@pytest.mark.parametrize("is_swapped", [False, True])
def test_logits_and_small_gradients_are_those_of_float64(is_swapped, cell_type, hidden_act, pooling, dtype, tolerance):
    sizes = {"embedding_size": 24, "hidden_size": 32, "initializer_range": 0.1}
    model = make_model(cell_type=cell_type, hidden_act=hidden_act, pooling=pooling, **sizes)
    batch = make_batch([9, 0, 4, 7], width=9, side="left") | {"labels": torch.tensor([0, 1, 1, 0])}
    exact = copy.deepcopy(model).double()
    expected = exact(**batch)
    if is_swapped:
        use_batchwise_dropout(model)
    model.cuda().train()
    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        output = model(**{name: values.cuda() for name, values in batch.items()})
    assert relative_error(output.logits.detach(), expected.logits.detach()) < tolerance
    # So small that float16 holds none of them.
    gradients = gradients_of(model, output.loss * 1e-7)
    assert relative_error(gradients, gradients_of(exact, expected.loss * 1e-7)) < tolerance


@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
@pytest.mark.parametrize("is_swapped", [False, True])
def test_recurrent_dropout_works_under_autocast(is_swapped, cell_type, hidden_act):
    model = make_model(cell_type=cell_type, hidden_act=hidden_act, recurrent_dropout=0.5).cuda().train()
    if is_swapped:
        use_batchwise_dropout(model)
    batch = {name: values.cuda() for name, values in make_batch([9, 4, 7], width=9).items()}
    with torch.autocast("cuda", dtype=torch.bfloat16):
        logits = [model(**batch).logits for _ in range(2)]
        again = [model.eval()(**batch).logits for _ in range(2)]
    assert not torch.equal(*logits)
    assert torch.equal(*again)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-3), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_captured_steps_learn_what_others_do(cell_type, hidden_act, dtype, tolerance):
    dropouts = dict.fromkeys(["embedding_dropout", "recurrent_dropout", "classifier_dropout", "word_dropout"], 0.3)
    model = make_model(cell_type=cell_type, hidden_act=hidden_act, initializer_range=0.1, **dropouts).cuda().train()
    use_batchwise_dropout(model)
    usual = copy.deepcopy(model)

    def autocast():
        return torch.autocast("cuda", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16, cache_enabled=False)

    graphed = GraphedClassifier(model, autocast, batch_size=3)
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.01) for part in (model, usual)]
    for step, lengths in enumerate([[9, 0, 4], [5, 5, 2], [9, 9, 9], [2, 2, 2], [1, 9, 3], [5, 1, 0]] * 3):
        batch = {name: values.cuda() for name, values in make_batch(lengths, max(lengths), seed=step).items()}
        logits = []
        for call in (graphed, usual):
            torch.manual_seed(step)
            with autocast():
                logits.append(call(**batch).logits)
            torch.nn.functional.cross_entropy(logits[-1].float(), torch.tensor([0, 1, 1]).cuda()).backward()
        assert relative_error(logits[0].detach(), logits[1].detach().double().cpu()) < tolerance
        if step % 2:
            gradients = [
                torch.cat([value.grad.double().cpu().flatten() for value in part.parameters()])
                for part in (model, usual)
            ]
            assert relative_error(*gradients) < tolerance
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
    assert sorted(graphed.steps) == [2, 5, 9]


def test_a_training_captures_its_steps(tmp_path, monkeypatch):
    options = ("--max_steps=60", "--eval_strategy=no", "--save_strategy=no", "--load_best_model_at_end=False")
    arguments = parse_arguments([f"--output_dir={tmp_path}", "--disable_tqdm=True", *options], QUICKSTART)
    arguments.training.early_stopping_patience = None
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    losses = []
    for eager_batches in (cuda_graphs.EAGER_BATCHES, 1000):
        monkeypatch.setattr(cuda_graphs, "EAGER_BATCHES", eager_batches)
        trainer = build_trainer(arguments.model, arguments.training, data)
        losses.append(trainer.train().training_loss)
        assert bool(trainer._graphed.steps) == (eager_batches < 1000)
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


class NoWaiting(TrainerCallback):
    """An error where a step from the fourth to the eighth waits for the GPU."""

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 3:
            torch.cuda.set_sync_debug_mode("error")

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 8:
            torch.cuda.set_sync_debug_mode("default")


def test_a_step_does_not_wait_for_the_gpu(tmp_path):
    options = ("--max_steps=9", "--eval_strategy=no", "--save_strategy=no", "--load_best_model_at_end=False")
    arguments = parse_arguments([f"--output_dir={tmp_path}", "--disable_tqdm=True", *options], QUICKSTART)
    arguments.training.early_stopping_patience = None
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    trainer = build_trainer(arguments.model, arguments.training, data)
    trainer.add_callback(NoWaiting())
    try:
        trainer.train()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer.state.global_step == 9


def test_a_training_saves_a_folder_that_loads_without_a_gpu(tmp_path):
    folder = tmp_path / "saved"
    command = [sys.executable, "scripts/train.py", f"--output_dir={folder}", "--disable_tqdm=True"]
    process = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert torch.cuda.get_device_name() in process.stdout
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.75
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)
    assert torch.isfinite(model(torch.tensor([[5, 6, 7]])).logits).all()
