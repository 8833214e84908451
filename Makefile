.PHONY: setup train test lint compat

BIN := .venv/bin

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	python3 -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[train,onnx,demo,ray,test]"
	touch $@

train: setup
	$(BIN)/accelerate launch scripts/train.py
	$(BIN)/python scripts/predict.py --model runs/quickstart \
		"I do not recommend this product" "so happy with it, works great" "the train was late again, ugh"

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest

compat: setup
	$(BIN)/python scripts/compat.py
