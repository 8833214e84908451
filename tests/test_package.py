import subprocess
import venv
from pathlib import Path

import torch
from processes import REPOSITORY

USE = """
import hf_brnn, sys
from pathlib import Path
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.rows import load_rows
from hf_brnn.hub.card import CARD_TEMPLATE
assert "site-packages" in hf_brnn.__file__, hf_brnn.__file__
assert len(load_rows(DataArguments())) > 1500
assert "card_data" in CARD_TEMPLATE.read_text()
assert (Path(hf_brnn.__file__).parent / "py.typed").exists()
model = hf_brnn.BrnnForSequenceClassification(hf_brnn.BrnnConfig(vocab_size=9))
model.save_pretrained("saved")
assert Path("saved/modeling_brnn.py").exists()
assert hf_brnn.BrnnForSequenceClassification.from_pretrained(hf_brnn.PRETRAINED).config.id2label[1] == "POSITIVE"
"""


def test_a_plain_install_holds_every_file(tmp_path):
    """The wheel goes into a new environment that borrows the libraries of this one, but not its hf_brnn."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", REPOSITORY], check=True)
    site_packages = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    libraries = Path(torch.__file__).parent.parent
    (site_packages / "libraries.pth").write_text(f"{libraries}\n")
    subprocess.run([python, "-c", USE], cwd=tmp_path, check=True)
