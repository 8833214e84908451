import shutil

from commands import run_main

from hf_brnn.commands.export import main


def test_it_writes_both_graphs_and_names_them(float_model, tmp_path, capsys):
    folder = shutil.copytree(float_model, tmp_path / "model")
    ended = run_main(main, folder, capsys=capsys)
    assert ended.code == 0
    for name in ("model.onnx", "model_quantized.onnx"):
        assert (folder / "onnx" / name).is_file()
        assert str(folder / "onnx" / name) in ended.stdout


def test_without_onnx_it_says_what_to_install(float_model, monkeypatch, capsys):
    monkeypatch.setattr("hf_brnn.commands.export.find_spec", lambda name: None)
    ended = run_main(main, float_model, capsys=capsys)
    assert ended.code == 1
    assert "Run pip install onnx" in ended.stderr
