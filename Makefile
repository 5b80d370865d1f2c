.PHONY: help setup test test-triton test-gpu quality bench docs smoke

help: ## Show these words
	@grep -hE '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed 's/: .*## /\t/'

setup: ## Install for development: editable, with the compiled kernel and all tools
	pip install -c constraints.txt -e '.[test]'

test: ## Run the tests
	pytest -n 2 --dist worksteal

test-triton: ## Prove the GPU kernels on the CPU, in Triton's interpreter
	TRITON_INTERPRET=1 pytest tests/ops/cross_scan/test_triton.py

test-gpu: ## Prove the GPU kernels, restoring and training on the GPU
	pytest tests/ops/cross_scan/test_triton.py tests/restoration/test_on_a_gpu.py tests/model/test_watching.py tests/training/test_waiting.py

quality: ## Check format, lint, types and layers
	ruff format --check .
	ruff check .
	basedpyright
	lint-imports

bench: ## Time the scan and the network against their limits
	python -m bench cross_scan
	python -m bench network
	python -m bench memory

docs: ## Write the generated pages anew
	python docs/generate.py

smoke: ## Restore the example picture
	serpent deblur examples/blurred.png -o restored.png --force
