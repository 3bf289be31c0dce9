# `make help` lists the targets. PYTHON=<interpreter> sets the Python of a new .venv; WORKERS=<count>, test processes.
VENV    ?= .venv
WORKERS ?= 2
UV      ?= $(firstword $(wildcard $(VENV)/bin/uv) uv)
PY      := $(VENV)/bin/python
BENCH   := $(VENV)-bench
NOTES   := $(VENV)-notebook
OTHERS  := $(VENV)-trainers

export VENV PYTHON
# The commands and tests start hundreds of processes. Without bytecode on the disk each would compile all sources again.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help setup demo claims classroom page test slow optional trainers notebooks faults chaos check fix figures docs bench lock hooks clean distclean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.core ## create .venv with the locked dependencies
	@echo "$(VENV) is ready"

demo: $(VENV)/.core ## pretrain, fine-tune and measure the default world, and write tables and figures
	@$(PY) -m sim.run experiment=demo
	@$(PY) -m experiments demo
	@$(PY) -m figures demo

SCALE  ?= classroom
STUDY   = outputs$(if $(filter classroom,$(SCALE)),,/$(SCALE))
claims: $(VENV)/.core ## do the runs of the core claims (or CLAIMS="..."), judge them, print the board (more than two hours on two cores); SCALE=smoke|classroom|paper
	@for claim in $${CLAIMS:-$$($(PY) -m experiments claims)}; do \
	  $(PY) -m sim.run experiment=$$claim scale=$(SCALE) outputs=$(STUDY) && \
	  $(PY) -m experiments $$claim $(STUDY)/$$claim >/dev/null && \
	  $(PY) -m figures $$claim $(STUDY)/$$claim || exit 1; \
	done
	@$(PY) -m experiments board $(STUDY)

figures: $(VENV)/.core ## draw the figures of the demo again from its tables
	@$(PY) -m figures demo

NODE = node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1 || \
  { echo "classroom: node 18 or newer with npm is required, found $$(node --version 2>/dev/null || echo none); install it" >&2; exit 1; }
classroom: classroom/node_modules/.package-lock.json ## write build/classroom/classroom.html, a page that trains offline (needs node 18 or newer)
	@$(NODE); node classroom/build.mjs

SEEDS = tests/classroom/test_lessons.py::test_every_lesson_shows_its_point_in_nine_of_ten_seeds
page: classroom $(VENV)/.test ## check the page of the classroom in Chromium, without the lessons over ten seeds (make slow has them)
	@$(PY) -m pytest -q -m "slow or not slow" tests/classroom --deselect $(SEEDS)

# npm writes this file when it has installed everything that the lock names.
classroom/node_modules/.package-lock.json: classroom/package-lock.json classroom/package.json classroom/.npmrc
	@$(NODE); cd classroom && npm ci --silent && touch node_modules/.package-lock.json

test: $(VENV)/.test ## run the tests without the slow ones
	@$(PY) -m pytest -q -n $(WORKERS)

slow: $(VENV)/.test ## run the slow tests
	@test -e $(OTHERS)/.trainers || echo "slow: PyTorch and TRL are not installed, so their tests are skipped; make trainers does them"
	@TEST_OPTIMISED=1 $(PY) -m pytest -q -n $(WORKERS) -m slow

optional: $(VENV)/.test ## run the tests that need an extra (ray, optuna, slurm) or SLURM itself; the others are skipped
	@$(PY) -m pytest -q -m optional

trainers: $(VENV)/.test $(OTHERS)/.trainers ## install PyTorch and TRL (1.5 GB), and run the tests of examples/torch and examples/trl
	@$(PY) -m pytest -q -m slow tests/laws/test_trainers.py tests/laws/test_other_tokenizer.py

faults: $(VENV)/.test ## plant mistakes in a copy of the source and check that the tests notice each (15 minutes)
	@$(PY) -m tests.planted --workers $(WORKERS)

notebooks: $(NOTES)/.notebook ## execute the notebooks in a kernel, and test the marimo app (three minutes)
	@$(NOTES)/bin/python -m tools.notebooks
	@$(NOTES)/bin/python -m pytest -q --nbmake --nbmake-timeout=900 notebooks/*.ipynb
	@$(NOTES)/bin/python -m pytest -q -m optional tests/optional/test_app.py

KILLS   ?= 10
DAMAGES ?= 500
SWAPS   ?= 100
ERRORS  ?= 50
chaos: $(VENV)/.test ## kill multiruns, damage and exchange results, let writing fail (two minutes; KILLS= DAMAGES= SWAPS= ERRORS=)
	@$(PY) -m tests.chaos --kills $(KILLS) --damages $(DAMAGES) --swaps $(SWAPS) --errors $(ERRORS)

check: $(VENV)/.test ## check formatting, lint, types and the direction of imports
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

fix: $(VENV)/.test ## let ruff correct what it can
	@$(PY) -m ruff check --fix --quiet .
	@$(PY) -m ruff format --quiet .

docs: $(VENV)/.docs ## build the documentation site in build/site; open build/site/index.html
	@$(PY) -m tools.pages
	@$(PY) -m zensical build --clean --strict

bench: $(BENCH)/.bench ## measure the speed on an idle machine (half an hour); some only: NAMES="samplers evaluator"
	@$(BENCH)/bin/python -m benchmarks $(NAMES)

# jax 0.10.2 is the last version for Python 3.11, so the lock depends on the Python version.
LOCK = $(UV) pip compile pyproject.toml --extra build --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header --quiet
lock: ## resolve the dependencies again to the newest versions that pyproject.toml allows (needs uv)
	@$(LOCK) --upgrade -o locks/core.txt
	@$(LOCK) --upgrade --extra test --extra lint --constraint locks/core.txt -o locks/test.txt
	@$(LOCK) --upgrade --extra docs --constraint locks/test.txt -o locks/docs.txt
	@$(LOCK) --upgrade --extra test --extra notebook --extra marimo --constraint locks/test.txt -o locks/notebook.txt
	@$(LOCK) --extra trl --extra bench --constraint locks/core.txt | grep -vE '^(cuda-|nvidia-|triton)' > locks/trainers.txt
	@$(LOCK) --extra bench --constraint locks/core.txt | grep -vE '^(cuda-|nvidia-|triton)' > locks/bench.txt

hooks: $(VENV)/.test ## from now on, run `make check` before every commit
	@printf '#!/bin/sh\nexec make check\n' > "$$(git rev-parse --git-path hooks)/pre-commit"
	@chmod +x "$$(git rev-parse --git-path hooks)/pre-commit"

clean: ## remove caches, but not results and .venv
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .cache build dist
	@rm -rf classroom/__pycache__
	@find sim experiments figures hydra_plugins benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove .venv as well
	@rm -rf $(VENV) $(BENCH) $(NOTES) $(OTHERS)

# A stamp is newer than the lock from which the environment was filled. A newer lock or pyproject.toml fills it again.
$(VENV)/.core: locks/core.txt pyproject.toml tools/environment.sh
	@./tools/environment.sh locks/core.txt
	@touch $@

$(VENV)/.test: locks/test.txt pyproject.toml tools/environment.sh
	@./tools/environment.sh locks/test.txt
	@touch $@ $(VENV)/.core

$(VENV)/.docs: locks/docs.txt pyproject.toml tools/environment.sh
	@./tools/environment.sh locks/docs.txt
	@touch $@ $(VENV)/.core

# The notebooks have their own environment, because a kernel and marimo bring fifty packages that nothing else needs.
$(NOTES)/.notebook: locks/notebook.txt pyproject.toml tools/environment.sh
	@VENV=$(NOTES) ./tools/environment.sh locks/notebook.txt
	@touch $@

# The benchmarks have their own environment, because torch and the tests need different versions of mpmath. The lock has
# no packages for CUDA: a build of torch for CUDA pins them itself, and a build for CPUs does not need them.
$(BENCH)/.bench: locks/bench.txt pyproject.toml tools/environment.sh
	@VENV=$(BENCH) ./tools/environment.sh locks/bench.txt
	@touch $@ $(BENCH)/.core

# PyTorch has its own environment here too, for the same reasons. Its tests are done by that of the tests, which calls it.
$(OTHERS)/.trainers: locks/trainers.txt pyproject.toml tools/environment.sh
	@VENV=$(OTHERS) ./tools/environment.sh locks/trainers.txt
	@touch $@
