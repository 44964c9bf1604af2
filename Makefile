# Two commands set everything up by themselves: `make demo` and `make test`.
# Both may be run again; what stands is left alone.
SHELL := /bin/bash
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
export UV
RUN := $(UV) run --frozen
PACKAGES := orchestrator agents sandbox tasks

.PHONY: demo test soak check bench setup machine

demo: setup          ## the main job, without a key
	$(RUN) quaestor doctor --fix
	$(RUN) quaestor run --demo

test: setup check machine   ## every suite, with a real engine and a real browser
	$(RUN) pytest -n 3 --dist loadfile --no-loadscope-reorder  # long files first, short ones fill up

soak: setup machine  ## the exhaustive forms: every kill point, every signal
	SOAK=1 $(RUN) pytest --timeout=7200

check: setup         ## what a reviewer's machine checks before a reviewer does
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) codespell
	$(UV) lock --check --quiet

bench: setup machine ## figures, as ratios within one run; BENCH_WRITE=1 puts them into docs/performance.md
	$(RUN) python -m pytest tests/bench -s -p no:cacheprovider

setup: .venv/.ready

machine: setup       ## engine, browser and sandbox image, installed and started when missing
	.ci/postgres
	$(RUN) quaestor doctor --fix

.venv/.ready: pyproject.toml uv.lock
	.ci/bootstrap
	$(UV) sync --frozen --quiet
	touch $@
