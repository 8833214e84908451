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
from torch.distributed.elastic.multiprocessing.errors import record

from hf_brnn.calibration import fit_temperature, fold_temperature
from hf_brnn.hub import (
    PUSH_ERRORS,
    TrainingReport,
    check_output_folder,
    explain_push_error,
    prepare_repository,
    push_folder,
    save_folder,
)
from hf_brnn.training import (
    DATA_FOLDER,
    assumed_watts,
    build_trainer,
    check_vocabulary,
    checkpoint_to_resume,
    describe_processor,
    epoch_history,
    measure,
    parse_arguments,
    prepare_cpu,
    prepare_data,
    remove_checkpoints,
)

DEFAULT_CONFIG = Path(__file__).parent.parent / "configs" / "quickstart.yaml"


@record
def main(argv: list[str]) -> None:
    model_args, data_args, training_args, config = parse_arguments(argv, DEFAULT_CONFIG)
    transformers.logging.set_verbosity(training_args.get_process_log_level())
    is_main = training_args.process_index == 0
    if not is_main:
        transformers.logging.disable_progress_bar()
    logging.basicConfig(level=logging.INFO if is_main else logging.WARNING, format="%(message)s")
    prepare_cpu(training_args)

    folder = Path(training_args.output_dir)
    check_output_folder(folder)
    training_args.output_dir = f"{folder}.checkpoints"
    # The saved folder is pushed when all is done; Trainer would push its checkpoints.
    push_to_hub, training_args.push_to_hub = training_args.push_to_hub, False
    hub = training_args.hub_private_repo, training_args.hub_revision, training_args.hub_token
    repo_id = training_args.hub_model_id or folder.name
    if push_to_hub and is_main:
        try:
            prepare_repository(repo_id, *hub)
        except PUSH_ERRORS as error:
            sys.exit(explain_push_error(error, repo_id))
    checkpoint = checkpoint_to_resume(training_args)

    start = time.perf_counter()
    data_folder = Path(training_args.output_dir) / DATA_FOLDER
    data = prepare_data(data_args, training_args, data_folder)
    if is_main:
        print(data.summary)
        print(f"training on {describe_processor(training_args)}")
    if checkpoint:
        check_vocabulary(checkpoint, data_folder / "tokenizer")
    trainer = build_trainer(model_args, data_args, training_args, data)
    trainer.train(resume_from_checkpoint=checkpoint)
    seconds = time.perf_counter() - start

    model = trainer.accelerator.unwrap_model(trainer.model)
    if training_args.save_half:
        model.brnn.half().float()
    predictions = {name: trainer.predict(rows) for name, rows in data.splits.items() if name != "train"}
    temperature = 1.0
    if "validation" in predictions:
        temperature = fit_temperature(predictions["validation"].predictions, predictions["validation"].label_ids)
        fold_temperature(model, temperature)
    measured = {name: measure(part.predictions / temperature, part.label_ids) for name, part in predictions.items()}
    if training_args.should_save:
        report = TrainingReport(
            measured=measured,
            temperature=temperature,
            history=epoch_history(trainer.state.log_history),
            evaluated="validation" if "validation" in data.splits else "test",
            config=config,
            seconds=seconds,
            processor=describe_processor(training_args),
            watts=assumed_watts(training_args),
            versions={name: version(name) for name in ("torch", "transformers", "tokenizers", "accelerate")},
        )
        save_folder(folder, model, data.tokenizer, report, training_args.save_half)
        remove_checkpoints(training_args.output_dir)
    if is_main:
        if measured:
            print(pd.DataFrame(report.metrics).T.astype({"rows": int}).to_string(float_format="%.4f"))
        print(f"Saved {folder}: the model, its card (README.md), curves.png and metrics.json.")
        if Path(training_args.output_dir).exists():
            print(f"Logs are in {training_args.output_dir}.")
        if push_to_hub:
            print(f"Pushed {push_folder(folder, repo_id, *hub)}")


if __name__ == "__main__":
    main(sys.argv[1:])
