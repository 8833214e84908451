import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pictures import texts_of
from processes import REPOSITORY, run_python
from reports import make_model, make_report
from safetensors.torch import load_file

from hf_brnn import BrnnForSequenceClassification
from hf_brnn.hub.layout import check_output_dir
from hf_brnn.hub.save import replace_directory, save_model_directory
from hf_brnn.model.tokenization_brnn import train_tokenizer


def save(folder, fill):
    model = make_model()
    with torch.no_grad():
        model.classifier.weight.fill_(fill)
    save_model_directory(folder, model, train_tokenizer(["a b c d"], 10), make_report())


def classifier_weight(folder):
    return BrnnForSequenceClassification.from_pretrained(folder).classifier.weight.unique().item()


def test_saving_replaces_the_earlier_folder(tmp_path):
    folder = tmp_path / "model"
    save(folder, 1)
    (folder / "onnx").mkdir()
    save(folder, 2)
    assert classifier_weight(folder) == 2
    assert not (folder / "onnx").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(("best_epoch", "kept"), [(None, 2), (1.0, 1)])
def test_the_curves_mark_the_epoch_whose_weights_are_saved(tmp_path, best_epoch, kept):
    report = make_report()
    report.history.append(report.history[0] | {"epoch": 2.0})
    report.best_epoch = best_epoch
    save_model_directory(tmp_path / "model", make_model(), train_tokenizer(["a b c d"], 10), report)
    assert texts_of(tmp_path / "model" / "curves.svg").count(f"kept: epoch {kept}") == 1


def test_an_exception_while_saving_leaves_the_earlier_folder_whole(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    save(folder, 1)

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("hf_brnn.hub.save.plot_curves", fail)
    with pytest.raises(OSError, match="disk full"):
        save(folder, 2)
    assert classifier_weight(folder) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_process_killed_while_it_saves_leaves_the_earlier_folder_whole(tmp_path):
    folder = tmp_path / "model"
    save(folder, 1)
    code = f"""
import sys, time
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(REPOSITORY / "tests" / "helpers")!r}]
import hf_brnn.hub.save, test_save
from pathlib import Path
hf_brnn.hub.save.plot_curves = lambda *args: (print("saving", flush=True), time.sleep(60))
test_save.save(Path({str(folder)!r}), 2)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert "saving" in process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert classifier_weight(folder) == 1
    assert (tmp_path / ".model.part").exists()
    save(folder, 3)
    assert classifier_weight(folder) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_set_aside_by_an_interrupted_save_is_put_back(tmp_path):
    folder = tmp_path / "model"
    save(folder, 1)
    folder.rename(tmp_path / ".model.previous")
    with pytest.raises(RuntimeError), replace_directory(folder):
        raise RuntimeError("stop")
    assert classifier_weight(folder) == 1


def test_a_folder_that_is_no_saved_model_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"not part of a model directory: thesis\.txt"):
        check_output_dir(tmp_path)
    with pytest.raises(FileExistsError, match="not part of a model directory"):
        save(tmp_path, 1)
    process = run_python("scripts/train.py", "--output_dir", tmp_path, check=False)
    assert "not part of a model directory" in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_model_of_another_kind_is_never_replaced(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(FileExistsError, match="another model"):
        check_output_dir(tmp_path)


def test_fp16_weights_load_as_float32_and_give_the_same_scores(tmp_path):
    model = make_model().eval()
    model.brnn.half().float()
    save_model_directory(tmp_path / "m", model, train_tokenizer(["a b c d"], 10), make_report(), fp16=True)
    tensors = load_file(tmp_path / "m" / "model.safetensors")
    assert {str(value.dtype) for name, value in tensors.items() if name.startswith("brnn.")} == {"torch.float16"}
    loaded = BrnnForSequenceClassification.from_pretrained(tmp_path / "m").eval()
    assert loaded.dtype == torch.float32
    ids = torch.randint(2, 10, (3, 5))
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, model(ids).logits)


def test_ctrl_c_right_after_the_new_directory_is_made_leaves_none(tmp_path, monkeypatch):
    make = Path.mkdir

    def make_and_stop(path, *arguments, **options):
        make(path, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", make_and_stop)
    with pytest.raises(KeyboardInterrupt), replace_directory(tmp_path / "model"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_as_output_directory_stays(tmp_path, exists):
    target, link = tmp_path / "elsewhere", tmp_path / "link"
    if exists:
        target.mkdir()
    link.symlink_to(target)
    with replace_directory(link) as part:
        (part / "config.json").write_text("{}")
    assert link.is_symlink()
    assert [path.name for path in target.iterdir()] == ["config.json"]
