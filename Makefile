# `make help` lists the targets. PYTHON=<interpreter> picks the Python of a new .venv; WORKERS=<count> the test processes.
VENV    ?= .venv
WORKERS ?= 2
UV      ?= $(firstword $(wildcard $(VENV)/bin/uv) uv)
PY      := $(VENV)/bin/python
BENCH   := $(VENV)-bench

export VENV PYTHON
.DEFAULT_GOAL := help
.PHONY: help setup demo claims test slow faults check fix figures bench lock hooks clean distclean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.core ## create .venv with the locked dependencies
	@echo "$(VENV) is ready"

demo: $(VENV)/.core ## pretrain, fine-tune and measure on the default world; write report, tables and figures
	@$(PY) -m sim.run experiment=demo
	@$(PY) -m experiments demo
	@$(PY) -m figures demo

SCALE  ?= classroom
STUDY   = outputs$(if $(filter classroom,$(SCALE)),,/$(SCALE))
claims: $(VENV)/.core ## make the runs of all claims (or CLAIMS="..."), judge them, print the board (three quarters of an hour); SCALE=smoke|classroom|paper
	@for claim in $${CLAIMS:-$$($(PY) -m experiments claims)}; do \
	  $(PY) -m sim.run experiment=$$claim scale=$(SCALE) outputs=$(STUDY) && \
	  $(PY) -m experiments $$claim $(STUDY)/$$claim >/dev/null && \
	  $(PY) -m figures $$claim $(STUDY)/$$claim || exit 1; \
	done
	@$(PY) -m experiments board $(STUDY)

figures: $(VENV)/.core ## draw the demo's figures again, from its tables alone
	@$(PY) -m figures demo

test: $(VENV)/.test ## run the tests, without the slow ones
	@$(PY) -m pytest -q -n $(WORKERS)

slow: $(VENV)/.test ## run the slow tests
	@$(PY) -m pytest -q -n $(WORKERS) -m slow

faults: $(VENV)/.test ## plant mistakes in a copy of the source; the tests must notice each (a quarter of an hour)
	@$(PY) -m tests.planted --workers $(WORKERS)

check: $(VENV)/.test ## check format, lint, types and the directions of imports
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

fix: $(VENV)/.test ## let ruff repair what it can
	@$(PY) -m ruff check --fix --quiet .
	@$(PY) -m ruff format --quiet .

bench: $(BENCH)/.bench ## measure the speed on an idle machine (half an hour), or make bench NAMES="samplers evaluator"
	@$(BENCH)/bin/python -m benchmarks $(NAMES)

# jax 0.10.2 is the last release for Python 3.11. So each lock names other versions for later versions of Python.
LOCK = $(UV) pip compile pyproject.toml --extra build --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header --quiet
lock: ## write the locks anew with the newest versions that pyproject.toml allows (needs uv)
	@$(LOCK) --upgrade -o locks/core.txt
	@$(LOCK) --upgrade --extra test --extra lint --constraint locks/core.txt -o locks/test.txt
	@$(LOCK) --extra bench --constraint locks/core.txt | grep -vE '^(cuda-|nvidia-|triton)' > locks/bench.txt

hooks: $(VENV)/.test ## from now on, run `make check` before every commit
	@printf '#!/bin/sh\nexec make check\n' > "$$(git rev-parse --git-path hooks)/pre-commit"
	@chmod +x "$$(git rev-parse --git-path hooks)/pre-commit"

clean: ## remove caches; keep results and .venv
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	@find sim experiments figures hydra_plugins benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove .venv as well
	@rm -rf $(VENV) $(BENCH)

# Each environment has a stamp, a file that is written after the packages are installed. If a lock or pyproject.toml is newer
# than the stamp, they are installed again.
$(VENV)/.core: locks/core.txt pyproject.toml tools/environment.sh
	@./tools/environment.sh locks/core.txt
	@touch $@

$(VENV)/.test: locks/test.txt pyproject.toml tools/environment.sh
	@./tools/environment.sh locks/test.txt
	@touch $@ $(VENV)/.core

# The benchmarks have an environment of their own, because torch and the tests need different versions of mpmath. The lock
# leaves out the packages of CUDA: a build of torch for CUDA pins them itself, and a build for CPUs does not need them.
$(BENCH)/.bench: locks/bench.txt pyproject.toml tools/environment.sh
	@VENV=$(BENCH) ./tools/environment.sh locks/bench.txt
	@touch $@ $(BENCH)/.core
