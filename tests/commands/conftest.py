import shutil

import pytest

from hf_brnn import PRETRAINED_FOLDER


@pytest.fixture(scope="session")
def float_model(tmp_path_factory):
    """The model directory of the package without its graphs, so that torch runs it."""
    target = tmp_path_factory.mktemp("float") / "model"
    return shutil.copytree(PRETRAINED_FOLDER, target, ignore=shutil.ignore_patterns("onnx", "__pycache__"))
