"""The handler of Hugging Face Inference Endpoints. It is part of a model directory and needs torch and transformers."""

from typing import Any

from transformers import pipeline


class EndpointHandler:
    """Answers requests like the text-classification pipeline.

    Args:
        path: The model directory.
    """

    def __init__(self, path: str = "") -> None:
        self.classifier = pipeline("text-classification", model=path, trust_remote_code=True)

    def __call__(self, data: dict[str, Any]) -> list[Any]:
        """Takes `{"inputs": text or list of texts, "parameters": {"top_k": ...}}`; returns label and score of each.

        Without `top_k`, a model with thresholds gives the label whose probability, divided by its threshold, is the
        largest.

        Raises:
            ValueError: `inputs` is missing, or is neither a text nor a list of texts.
        """
        inputs = data.get("inputs")
        texts = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"inputs is {inputs!r}, expected a text or a list of texts. Send one of these.")
        parameters = data.get("parameters") or {}
        config = self.classifier.model.config
        thresholds = getattr(config, "thresholds", None)
        if not texts or not thresholds or "top_k" in parameters:
            return self.classifier(texts, **parameters) if texts else []
        rows = self.classifier(texts, top_k=None, **parameters)
        return [max(row, key=lambda each: each["score"] / thresholds[config.label2id[each["label"]]]) for row in rows]
