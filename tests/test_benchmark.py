import json

from conftest import run_python


def test_the_startup_benchmark_prints_and_writes_its_table(exported_folder, tmp_path):
    process = run_python(
        "scripts/benchmark.py", "startup", "--model", exported_folder, "--rounds", 1, "--output_dir", tmp_path
    )
    results = json.loads((tmp_path / "startup.json").read_text())
    (table,) = results["tables"].values()
    assert {row["what"] for row in table} >= {"hf-brnn, OnnxClassifier", "hf-brnn, pipeline"}
    assert all(row["seconds"] > 0 for row in table)
    for part in (results["date"], "torch", "scripts/benchmark.py startup", "hf-brnn, OnnxClassifier"):
        assert part in (tmp_path / "startup.md").read_text()
    assert (tmp_path / "startup.md").read_text() in process.stdout + "\n"
