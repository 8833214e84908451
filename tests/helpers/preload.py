"""Imports what the commands import, but for the package itself. The processes of the tests are forks of one that has
done so."""

import importlib
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for name in (
        "accelerate",
        "datasets",
        "evaluate",
        "huggingface_hub.hf_api",
        "matplotlib.pyplot",
        "onnxruntime",
        "pandas",
        "pyarrow.parquet",
        "scipy.optimize",
        "sklearn.metrics",
        "torch._dynamo",
        "torch.distributed.elastic.multiprocessing.errors",
        "transformers.pipelines",
        "transformers.trainer",
    ):
        importlib.import_module(name)
