"""The model and the trainer of a run, made of its arguments and data."""

from dataclasses import asdict
from pathlib import Path

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback, TrainerCallback

from ..data.problem_type import TOKENS
from ..model.arguments import ModelArguments
from ..model.auto import BrnnClassifierModel
from ..model.configuration_brnn import BrnnConfig
from ..model.modeling_brnn import BrnnForSequenceClassification, BrnnForTokenClassification
from .arguments import BrnnTrainingArguments
from .base_model import BaseModel
from .callbacks import CurvesCallback, FewerEvaluations, ProgressTable
from .ngram_embedding import NgramEmbedding
from .prepare import PreparedData
from .trainer import BrnnTrainer
from .warm_start import add_ngrams, copy_weights, freeze


def build_model(
    model_args: ModelArguments, training_args: BrnnTrainingArguments, data: PreparedData
) -> BrnnClassifierModel:
    """Builds a model for the prepared data, initialized from the seed of the training and, if there is one, from the
    model that the training starts from.

    Raises:
        OSError: There is no such model to start from.
        ValueError: A value of the model is out of range, or options contradict each other.
    """
    if training_args.freeze and training_args.ngram_embeddings:
        raise ValueError(
            f"ngram_embeddings trains the embeddings, which freeze {training_args.freeze} keeps: add "
            "--ngram_embeddings False, or leave out --freeze."
        )
    base = BaseModel.find(model_args.model_name_or_path, model_args.model_revision)
    values = {name: value for name, value in asdict(model_args).items() if not name.startswith("model_")}
    torch.manual_seed(training_args.seed)
    config = BrnnConfig(
        vocab_size=len(data.tokenizer),
        id2label=dict(enumerate(data.label_names)),
        label2id={name: index for index, name in enumerate(data.label_names)},
        problem_type=None if data.problem_type == TOKENS else data.problem_type,
        **values,
    )
    model: BrnnClassifierModel
    model = (BrnnForTokenClassification if data.problem_type == TOKENS else BrnnForSequenceClassification)(config)
    if base is not None:
        copy_weights(base, model, data)
    if training_args.ngram_embeddings:
        embeddings = NgramEmbedding(data.tokenizer, config)
        if base is not None:
            add_ngrams(model.get_input_embeddings(), embeddings)
        model.set_input_embeddings(embeddings)
    if training_args.freeze:
        freeze(model, training_args.freeze)
    return model


def build_trainer(
    model_args: ModelArguments, training_args: BrnnTrainingArguments, data: PreparedData, shows_progress: bool = True
) -> BrnnTrainer:
    """Builds a trainer over the prepared data. Without a validation split, it evaluates the test split each epoch.

    Raises:
        ValueError: The best checkpoint or the moment to stop would be chosen on the test split, a value of the model is
            out of range, or adversarial training has several GPUs in one process.
    """
    evaluated = "validation" if "validation" in data.eval_splits else "test"
    if evaluated not in data.eval_splits and training_args.eval_strategy != "no":
        raise ValueError("There is nothing to evaluate on: set validation_size or test_size, or eval_strategy to no.")
    patience = training_args.early_stopping_patience
    if patience is not None and training_args.eval_strategy == "no":
        raise ValueError("early_stopping_patience needs evaluations: set eval_strategy to epoch or steps.")
    if evaluated == "test" and (training_args.load_best_model_at_end or patience is not None):
        raise ValueError(
            "load_best_model_at_end and early_stopping_patience choose a model on a validation split: set "
            "validation_size, or switch them off (--load_best_model_at_end False --early_stopping_patience 0)."
        )
    if evaluated == "test" and training_args.tune_thresholds:
        raise ValueError("tune_thresholds needs a validation split: set validation_size, or leave out tune_thresholds.")
    callbacks: list[TrainerCallback] = [
        FewerEvaluations(),
        CurvesCallback(Path(training_args.output_dir), evaluated),
    ]
    if patience is not None:
        callbacks.append(EarlyStoppingCallback(patience))
    if shows_progress:
        callbacks.append(ProgressTable(evaluated))
    trainer = BrnnTrainer(
        model=build_model(model_args, training_args, data),
        args=training_args,
        train_dataset=data.train,
        eval_dataset=data.eval_splits.get(evaluated),
        processing_class=data.tokenizer,
        problem_type=data.problem_type,
        target_scale=data.target_scale,
        callbacks=callbacks,
    )
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    return trainer
