"""Trains a classifier: `accelerate launch scripts/train.py` is `hf-brnn train` in several processes."""

from hf_brnn.commands.train import main

if __name__ == "__main__":
    main()
