"""A training report with made-up figures."""

import numpy as np

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.evaluation.report import EvalResult, TrainingReport

NAMES = ["LABEL_0", "LABEL_1"]
METRICS = {
    "rows": 9,
    "loss": 0.5,
    "accuracy": 0.75,
    "macro_f1": 0.71,
    "macro_precision": 0.8,
    "macro_recall": 0.6,
    "roc_auc": 0.9,
    "calibration_error": 0.1,
}


def make_model(**kwargs):
    return BrnnForSequenceClassification(BrnnConfig(vocab_size=10, embedding_size=4, hidden_size=3, **kwargs))


def make_report(**config):
    history = [{"epoch": 1.0, "loss": 0.6, "accuracy": 0.7, "eval_loss": 0.5, "eval_accuracy": 0.75}]
    return TrainingReport(
        results={"test": EvalResult(np.array([0, 1]), np.array([[0.7, 0.3], [0.4, 0.6]]), dict(METRICS), NAMES)},
        temperature=1.25,
        history=history,
        evaluated="test",
        config={"data_files": None, "dataset_name": "sample", "dataset_split": "train"} | config,
        best_epoch=None,
        seconds=12.3,
        resumed_epoch=None,
        processor="1 x CPU, fp32",
        watts=10,
        versions={"torch": "2"},
    )
