from processes import run_python


def test_transformers_4_57_gives_the_same_from_the_folder_from_a_hub_and_offline(exported_folder):
    process = run_python("scripts/compat.py", "--model", exported_folder, "--versions", "4.57.6")
    for source in ("the folder", "the Hub", "the cache, offline"):
        for name in ("logits", "onnx_logits"):
            line = (
                f"transformers 4.57.6, from {source}: PreTrainedTokenizerFast, the same token ids and labels, {name} "
            )
            assert line in process.stdout
