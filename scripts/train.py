"""Trains a classifier and saves the folder that from_pretrained, pipeline and the Hub take.

accelerate launch scripts/train.py [--config configs/quickstart.yaml] [--any_argument value ...]
"""

import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import transformers

from hf_brnn.hub import TrainingReport, check_output_folder, save_folder
from hf_brnn.training import (
    build_trainer,
    check_vocabulary,
    checkpoint_to_resume,
    describe_processor,
    epoch_history,
    parse_arguments,
    prepare_data,
    remove_checkpoints,
    use_all_cores,
)

DEFAULT_CONFIG = Path(__file__).parent.parent / "configs" / "quickstart.yaml"


def main(argv: list[str]) -> None:
    model_args, data_args, training_args, config = parse_arguments(argv, DEFAULT_CONFIG)
    transformers.logging.set_verbosity(training_args.get_process_log_level())
    is_main = training_args.process_index == 0
    logging.basicConfig(level=logging.INFO if is_main else logging.WARNING, format="%(message)s")
    use_all_cores(training_args)

    folder = Path(training_args.output_dir)
    check_output_folder(folder)
    training_args.output_dir = f"{folder}.checkpoints"
    checkpoint = checkpoint_to_resume(training_args)

    data = prepare_data(data_args, training_args, Path(training_args.output_dir) / "data")
    if is_main:
        print(data.summary)
        print(f"training on {describe_processor(training_args)}")
    if checkpoint:
        check_vocabulary(checkpoint, Path(training_args.output_dir) / "data" / "tokenizer")
    trainer = build_trainer(model_args, data_args, training_args, data)
    start = time.perf_counter()
    trainer.train(resume_from_checkpoint=checkpoint)
    seconds = time.perf_counter() - start

    history = epoch_history(trainer.state.log_history)
    metrics = {}
    for split in ("validation", "test"):
        if split in data.splits:
            scores = trainer.predict(data.splits[split], metric_key_prefix=split).metrics
            names = ("loss", "accuracy", "f1", "macro_f1", "precision", "recall", "roc_auc", "calibration_error")
            metrics[split] = {"rows": len(data.splits[split])} | {name: scores[f"{split}_{name}"] for name in names}
    if is_main:
        report = TrainingReport(
            metrics=metrics,
            history=history,
            evaluated="validation" if "validation" in data.splits else "test",
            config=config,
            seconds=seconds,
            processor=describe_processor(training_args),
            versions={name: version(name) for name in ("torch", "transformers", "tokenizers", "accelerate")},
        )
        save_folder(folder, trainer.accelerator.unwrap_model(trainer.model), data.tokenizer, report)
        remove_checkpoints(training_args.output_dir)
        if metrics:
            print(pd.DataFrame(metrics).T.astype({"rows": int}).to_string(float_format="%.4f"))
        print(f"Saved {folder}.")


if __name__ == "__main__":
    main(sys.argv[1:])
