"""The metrics as an `evaluate.Metric`, which needs no network. Import this module only where it is used: without
transformers' Trainer already in memory, `import evaluate` takes seconds."""

import datasets
import evaluate
import numpy as np

from .metrics import classification_metrics


class TextClassificationMetrics(evaluate.Metric):
    """Accuracy, macro F1, macro precision, macro recall, area under the ROC curve and expected calibration error.

    `compute(predictions=..., references=...)` takes the class probabilities and the class id of each text and returns
    what `hf_brnn.evaluation.metrics.classification_metrics` returns.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="",
            inputs_description="predictions: (rows, num_labels) probabilities; references: (rows,) class ids.",
            features=datasets.Features(
                {
                    "predictions": datasets.Sequence(datasets.Value("float32")),
                    "references": datasets.Value("int64"),
                }
            ),
        )

    def _compute(self, predictions: list[list[float]], references: list[int]) -> dict[str, float]:
        return classification_metrics(np.asarray(predictions), np.asarray(references))
