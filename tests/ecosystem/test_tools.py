"""Libraries that explain, adapt, search and embed take the models as they take any other of transformers."""

import numpy as np
import pytest
import torch
from arguments import parse_arguments
from processes import REPOSITORY, SHORT
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
    pipeline,
)

from hf_brnn import PRETRAINED
from hf_brnn.training.build import build_model, build_trainer
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.speed.batchwise_dropout import BatchwiseDropoutLayer

TEXTS = ["so happy with it", "worst day ever"]


@pytest.fixture
def batch():
    return AutoTokenizer.from_pretrained(PRETRAINED)(TEXTS, padding=True, return_tensors="pt")


@pytest.mark.parametrize(
    ("auto_class", "task"),
    [
        (AutoModelForSequenceClassification, "SEQ_CLS"),
        (AutoModelForTokenClassification, "TOKEN_CLS"),
        (AutoModel, "FEATURE_EXTRACTION"),
    ],
)
@pytest.mark.slow
def test_peft_trains_an_adapter_for_each_task(auto_class, task, batch, tmp_path):
    from peft import LoraConfig, PeftModel, get_peft_model

    model = auto_class.from_pretrained(PRETRAINED)
    expected = model(**batch)[0].detach()
    adapted = get_peft_model(model, LoraConfig(task_type=task, target_modules=["word_embeddings"], r=2))
    torch.testing.assert_close(adapted(**batch)[0], expected)
    optimizer = torch.optim.SGD((value for value in adapted.parameters() if value.requires_grad), lr=1.0)
    if task == "SEQ_CLS":
        labels = {"labels": torch.tensor([0, 1])}
    elif task == "TOKEN_CLS":
        labels = {"labels": torch.where(batch["attention_mask"] == 1, 1, -100)}
    for _ in range(3):
        output = adapted(**batch, **({} if task == "FEATURE_EXTRACTION" else labels))
        (output[0].sum() if task == "FEATURE_EXTRACTION" else output.loss).backward()
        optimizer.step()
        optimizer.zero_grad()
    adapted.save_pretrained(tmp_path)
    trained = adapted.eval()(**batch)[0].detach()
    assert not torch.allclose(trained, expected)
    loaded = PeftModel.from_pretrained(auto_class.from_pretrained(PRETRAINED), tmp_path).eval()
    torch.testing.assert_close(loaded(**batch)[0], trained)


@pytest.mark.slow
def test_shap_gives_values_that_add_up_to_the_scores():
    import shap

    classify = pipeline("text-classification", model=PRETRAINED, top_k=None)
    found = shap.Explainer(classify, seed=0)(TEXTS[:1])
    scores = {answer["label"]: answer["score"] for answer in classify(TEXTS[:1])[0]}
    sums = found.values[0].sum(axis=0) + found.base_values[0]
    np.testing.assert_allclose(sums, [scores[name] for name in found.output_names], atol=1e-5)
    assert found.data[0][found.values[0][:, list(found.output_names).index("POSITIVE")].argmax()].strip() == "happy"


def test_captum_gives_attributions_that_add_up_to_the_difference_of_logits(batch):
    attr = pytest.importorskip("captum.attr")
    model = AutoModelForSequenceClassification.from_pretrained(PRETRAINED).eval()

    def logits(input_ids, attention_mask):
        return model(input_ids, attention_mask, output_attentions=False).logits

    ids, mask = batch["input_ids"], batch["attention_mask"]
    baselines = torch.zeros_like(ids)
    integrated = attr.LayerIntegratedGradients(logits, model.get_input_embeddings())
    found = integrated.attribute(ids, baselines, target=1, additional_forward_args=(mask,), n_steps=60).sum(dim=(1, 2))
    with torch.no_grad():
        expected = (logits(ids, mask) - logits(baselines, mask))[:, 1]
    torch.testing.assert_close(found.float(), expected, atol=0.05, rtol=0.01)


@pytest.mark.slow
def test_sentence_transformers_embeds_with_the_encoder(batch):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    encoder = Transformer(PRETRAINED)
    model = SentenceTransformer(
        modules=[encoder, Pooling(encoder.get_word_embedding_dimension(), "mean")], device="cpu"
    )
    with torch.no_grad():
        states = AutoModel.from_pretrained(PRETRAINED)(**batch).last_hidden_state
    expected = states.sum(dim=1) / batch["attention_mask"].sum(dim=1, keepdim=True)
    np.testing.assert_allclose(model.encode(TEXTS), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("trials", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_optuna_searches_with_the_trainer_of_this_package(tmp_path, trials):
    argv = [
        *map(str, SHORT),
        "--output_dir",
        str(tmp_path),
        "--use_cpu",
        "--hidden_size",
        "8",
        "--num_train_epochs",
        "1",
    ]
    arguments = parse_arguments(argv, REPOSITORY / "configs" / "quickstart.yaml")
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    trainer = build_trainer(arguments.model, arguments.training, data, shows_progress=False)
    trainer.model_init = lambda: build_model(arguments.model, arguments.training, data)
    sizes = []
    compute_loss = trainer.compute_loss

    def see_batch(model, inputs, *args, **kwargs):
        layers = trainer.accelerator.unwrap_model(trainer.model).base_model.encoder.layer
        assert all(isinstance(layer, BatchwiseDropoutLayer) for layer in layers)
        if trainer.model.training:
            sizes.append(len(inputs["labels"]))
        return compute_loss(model, inputs, *args, **kwargs)

    trainer.compute_loss = see_batch

    def space(trial):
        return {
            "learning_rate": trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True),
            "per_device_train_batch_size": trial.suggest_categorical("per_device_train_batch_size", [20, 40]),
        }

    best = trainer.hyperparameter_search(
        hp_space=space, n_trials=trials, direction="maximize", backend="optuna",
        compute_objective=lambda metrics: metrics["eval_accuracy"],
    )  # fmt: skip
    assert set(best.hyperparameters) == {"learning_rate", "per_device_train_batch_size"}
    assert 0 <= best.objective <= 1
    assert set(sizes) <= {20, 40}


@pytest.mark.slow
def test_optuna_searches_with_a_stock_trainer(batch, tmp_path):
    rows = [{"input_ids": batch["input_ids"][index % 2], "labels": 1 - index % 2} for index in range(16)]
    trainer = Trainer(
        model_init=lambda: AutoModelForSequenceClassification.from_pretrained(PRETRAINED),
        args=TrainingArguments(str(tmp_path), num_train_epochs=1, use_cpu=True, report_to="none", save_strategy="no"),
        train_dataset=rows,
        eval_dataset=rows,
    )
    best = trainer.hyperparameter_search(
        hp_space=lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-3)},
        n_trials=2, direction="minimize", backend="optuna",
    )  # fmt: skip
    assert best.objective < 0.7
