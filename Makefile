# `make help` lists what there is. Everything runs on a laptop without an account; only `deploy` talks to AWS.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PY := .venv/bin/python
export PYTHONPYCACHEPREFIX := $(CURDIR)/.local/cache/bytecode
export SAM_CLI_TELEMETRY := 0
export PATH := $(CURDIR)/.venv/bin:$(PATH)
ENV ?= staging
ARCH ?= x86_64
PORT ?= 8787
EMULATOR_PORT ?= 4566
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
SOURCES := layers functions local tests benchmarks

.PHONY: help browser venv venv-local run reset test test-unit test-integration test-e2e faults provider-faults contract load credits-race lint format build deploy bench openapi lock

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*##  */\1 /p' Makefile | while read -r name text; do printf '  make %-18s%s\n' "$$name" "$$text"; done

venv:  ## make .venv with everything a developer needs
	@local/setup.sh dev

venv-local:
	@local/setup.sh local

run: venv-local  ## start the product on http://127.0.0.1:8787 (PORT=...), check it, stay up
	@exec $(PY) -m local.run --port $(PORT) --emulator-port $(EMULATOR_PORT)

reset:  ## empty the local state: accounts, images, jobs
	@if [ -e .local/state/running ] && kill -0 "$$(cat .local/state/running)" 2>/dev/null; \
	then echo "The local stack is running: stop it first (Ctrl-C in its window)."; exit 1; fi
	@rm -rf .local/state && echo "Local state is empty."

browser:
	@local/find-browser.sh

test: lint browser  ## lint, types, unit, integration and end-to-end tests
	@$(PY) -m pytest tests/unit tests/integration -n 2 --dist loadfile
	@$(PY) -m pytest tests/e2e -n 2 --dist loadfile --no-loadscope-reorder

test-unit: venv  ## unit tests only
	@$(PY) -m pytest tests/unit -n 2 --dist worksteal

test-integration: venv  ## handlers against the emulators
	@$(PY) -m pytest tests/integration

test-e2e: venv browser  ## the deployed local stack and a real browser
	@$(PY) -m pytest tests/e2e

faults: venv  ## kill every step of a job at every AWS call (STEPS="sweep ..."); print and sum up what follows
	@PYTHONPATH=layers/common:layers/vision $(PY) -m tests.e2e.faults $(STEPS)

provider-faults: venv  ## play every fault of the providers (FAULTS="429 ..."); print and sum up what follows
	@PYTHONPATH=layers/common:layers/vision $(PY) -m tests.e2e.provider_faults $(FAULTS)

contract: venv  ## the same assertions against stand-ins and, where their keys are set, the real providers
	@$(PY) -m pytest tests/contract

load: venv  ## a hundred jobs at once; write docs/load.md
	@PYTHONPATH=layers/common:layers/vision $(PY) -m tests.load.jobs_at_once

credits-race: venv  ## a thousand runs at once against fewer credits; write docs/credits-race.md
	@PYTHONPATH=layers/common:layers/vision $(PY) -m tests.load.credits_race

lint: venv  ## style, types, template, scripts of the page
	@ruff check $(SOURCES)
	@ruff format --check $(SOURCES)
	@mypy
	@cfn-lint template.yaml
	@local/lint-page.sh

format: venv  ## put the code into shape
	@ruff check --fix --quiet $(SOURCES) || true
	@ruff format --quiet $(SOURCES)

build: venv-local  ## build what would be deployed to AWS
	@sam build

deploy: venv-local  ## deploy to AWS: ENV=testing|staging|production ARCH=x86_64|arm64
	@PYTHON_PLATFORM=$(subst arm64,aarch64,$(ARCH))-manylinux_2_28 sam build
	@sam deploy --config-env $(ENV) --parameter-overrides Environment=$(ENV) Architecture=$(ARCH) $(PARAMETERS)

bench: venv  ## measure, print tables
	@uv pip install --quiet --no-config --no-deps --require-hashes -r requirements/bench.txt
	@$(PY) -m benchmarks.cold_start
	@PYTHONPATH=layers/common:layers/vision $(PY) -m benchmarks.upscale

openapi: venv  ## write docs/openapi.json
	@PYTHONPATH=layers/common:layers/vision $(PY) -m local.openapi

lock: venv  ## resolve requirements/*.in anew into *.txt
	@cd requirements && $(LOCK) dev.in -o dev.txt
	@cd requirements && for name in common local uv; do $(LOCK) $$name.in -c dev.txt -o $$name.txt || exit 1; done
	@cd requirements && $(LOCK) --no-deps vision.in -o vision.txt
