"""What Hugging Face Inference Endpoints call. This file lies in the saved folder and needs torch and transformers."""

from typing import Any

from transformers import pipeline


class EndpointHandler:
    """Answers requests as the text-classification pipeline does.

    Args:
        path: The saved folder.
    """

    def __init__(self, path: str = "") -> None:
        self.classifier = pipeline("text-classification", model=path, trust_remote_code=True)

    def __call__(self, data: dict[str, Any]) -> list[Any]:
        """Takes `{"inputs": text or list of texts, "parameters": {"top_k": ...}}`; returns label and score of each.

        Raises:
            ValueError: `inputs` is missing, or neither a text nor a list of texts.
        """
        inputs = data.get("inputs")
        texts = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"inputs must be a text or a list of texts, but is {inputs!r}.")
        return self.classifier(texts, **data.get("parameters") or {}) if texts else []
