"""ONNX graphs of model directories."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "OnnxClassifier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import warnings

    from ..inference.onnx_classifier import OnnxClassifier

    warnings.warn(
        "hf_brnn.onnx.OnnxClassifier is deprecated. Use hf_brnn.load, or import OnnxClassifier from "
        "hf_brnn.inference.onnx_classifier.",
        DeprecationWarning,
        stacklevel=2,
    )
    return OnnxClassifier
