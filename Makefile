# `make help` lists what there is. Everything runs on a laptop without an account; only `deploy` talks to AWS.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PY := .venv/bin/python
PYTEST := $(PY) -m pytest
# A module that imports the product: `$(MODULE) local.openapi`.
MODULE := PYTHONPATH=layers/common:layers/vision $(PY) -m
TWO_CORES := -n 2 --dist worksteal
TWO_STACKS := -n 2 --dist loadfile --no-loadscope-reorder
SOURCES := layers functions local ops tests benchmarks
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
export PYTHONPYCACHEPREFIX := $(CURDIR)/.local/cache/bytecode
export SAM_CLI_TELEMETRY := 0
# Bytecode goes to one place, whatever the shell says; without it every process compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/.venv/bin:$(PATH)
ENV ?= staging
# What is deployed now: minute (UTC) and commit. Each deployment needs another one, see `Release` in template.yaml.
RELEASE ?= $(shell date -u +%y%m%d%H%M)$(shell git rev-parse --short=7 HEAD 2>/dev/null)
PORT ?= 8787
BASE_URL ?= http://127.0.0.1:$(PORT)
N ?= 50
EMULATOR_PORT ?= 4566

.PHONY: help
help:  ## list the targets
	@sed -n -e 's/^##@ */\n/p' -e 's/^\([a-z0-9-]*\):.*##  */\1 /p' Makefile | while read -r name text; \
	do if [ -z "$$name" ]; then echo; elif [ -z "$$text" ]; then echo "$$name"; else printf '  make %-18s%s\n' "$$name" "$$text"; fi; done

##@ Start
.PHONY: run reset
run: venv-local  ## start the product on http://127.0.0.1:8787 (PORT=...), check it, stay up
	@exec $(PY) -m local --port $(PORT) --emulator-port $(EMULATOR_PORT)

reset: venv-local  ## empty the local state: accounts, images, jobs
	@$(PY) -m local.saved .local/state

##@ Check
.PHONY: test test-unit test-integration test-e2e contract lint lint-page format
test: lint browser  ## lint, types, unit, integration and end-to-end tests; all run, any failure fails
	@failed=0; \
	$(PYTEST) tests/unit tests/integration $(TWO_CORES) || failed=1; \
	$(PYTEST) tests/e2e $(TWO_STACKS) || failed=1; \
	exit $$failed

test-unit: venv  ## rules, use cases, handlers, adapters, page and template
	@$(PYTEST) tests/unit $(TWO_CORES)

test-integration: venv  ## adapters and stand-ins over real sockets
	@$(PYTEST) tests/integration $(TWO_CORES)

test-e2e: venv browser  ## the deployed local stack and a real browser
	@$(PYTEST) tests/e2e $(TWO_STACKS)

contract: venv  ## the same assertions against stand-ins and, where their keys are set, the real providers
	@$(PYTEST) tests/contract

lint: venv lint-page  ## style, types, template, scripts of the page
	@ruff check $(SOURCES)
	@ruff format --check $(SOURCES)
	@mypy
	@cfn-lint -- template.yaml .github/aws/*.yaml
	@cfn-lint --regions us-east-1 -- edge.yaml

lint-page:  ## eslint and type check of web/js alone
	@local/lint-page.sh

format: venv  ## put the code into shape
	@ruff check --fix --exit-zero --quiet $(SOURCES)
	@ruff format --quiet $(SOURCES)

##@ Measure
.PHONY: bench quality cost load credits-race faults provider-faults restarts
bench: venv  ## cold starts and the embedded model, side by side with peers
	@uv pip install --quiet --no-config --no-deps --require-hashes -r requirements/bench.txt
	@$(PY) -m benchmarks.cold_start
	@$(MODULE) benchmarks.upscale

quality: venv  ## what the embedded models make of photos: write docs/quality.md with its pictures
	@uv pip install --quiet --no-config --no-deps --require-hashes -r requirements/bench.txt
	@$(MODULE) benchmarks.quality

cost: venv  ## what a month costs, first limits, margins: write docs/cost.md and its chart
	@$(MODULE) benchmarks.cost_model

load: venv  ## a hundred jobs at once; write docs/load.md
	@$(MODULE) tests.load.jobs_at_once

credits-race: venv  ## a thousand runs at once against fewer credits; write docs/credits-race.md
	@$(MODULE) tests.load.credits_race

faults: venv  ## kill every step of a job at every AWS call (STEPS="sweep ..."); print and sum up what follows
	@$(MODULE) tests.e2e.fault_play $(STEPS)

provider-faults: venv  ## play every fault of the providers (FAULTS="429 ..."); print and sum up what follows
	@$(MODULE) tests.e2e.provider_faults $(FAULTS)

restarts: venv  ## stop the local stack N times by any signal at any moment; write docs/restarts.md
	@$(MODULE) tests.e2e.restarts --rounds $(N)

##@ Deploy
.PHONY: build deploy deploy-built release-name restore rollback smoke
build: venv-local  ## build what would be deployed to AWS
	@sam build

deploy: build deploy-built  ## deploy to AWS: ENV=testing|staging|production PARAMETERS="AppOrigin=https://... ..."

deploy-built:
	@sam deploy --config-env $(ENV) --parameter-overrides Environment=$(ENV) Release=$(RELEASE) $(PARAMETERS) $(SAM_FLAGS)

release-name:
	@echo $(RELEASE)

rollback: venv-local  ## move everybody to the release before: ENV=... ARGS="--list | --to RELEASE | --prune N"
	@$(MODULE) ops.rollback $(ENV) $(ARGS)

restore: venv-local  ## bring the table back from a restored copy: ENV=... ARGS="--close | --from TABLE [--apply] | --open"
	@$(MODULE) ops.restore $(ENV) $(ARGS)

smoke: venv-local  ## ask a deployment whether it keeps its promises: BASE_URL=https://... [KEY=ek_...] [ADMIN_KEY=ek_...]
	@$(MODULE) ops.smoke $(BASE_URL) $(ARGS)

##@ Operate
.PHONY: flags outputs owner report secret
outputs: venv-local  ## the stack's outputs as shell variables: eval "$$(make -s outputs ENV=local|staging|production)"
	@$(MODULE) ops.outputs $(ENV)

owner: venv-local  ## look up, move credits, set a plan, block: ENV=... WHO=ada@example.com [DO=grant AMOUNT=50 REASON="..."]
	@ENV=$(ENV) $(MODULE) ops.owners

secret: venv-local  ## put or rotate one field of the operator's secrets: ENV=... FIELD=replicate
	@ENV=$(ENV) $(MODULE) ops.secret

flags: venv  ## phases, switches, caps: ENV=local|staging|production [DO=set SET="phase=I1" REASON="..."] [DO=history|rollback]
	@ENV=$(ENV) $(MODULE) ops.flags

report: venv  ## cost report of a day or month: ENV=local|staging|production [DATE=2026-11-28|MONTH=2026-11]
	@ENV=$(ENV) DATE=$(DATE) MONTH=$(MONTH) $(MODULE) ops.report

##@ Keep
.PHONY: venv venv-local browser openapi events lock
venv:  ## make .venv with everything a developer needs
	@local/setup.sh dev

venv-local:
	@local/setup.sh local

browser:
	@local/find-browser.sh

openapi: venv  ## write docs/openapi.json
	@$(MODULE) local.openapi

events: venv  ## write events/*.json
	@$(MODULE) tests.support.make_events

lock: venv  ## resolve requirements/*.in anew into *.txt
	@cd requirements && $(LOCK) dev.in -o dev.txt
	@cd requirements && for name in common local uv; do $(LOCK) $$name.in -c dev.txt -o $$name.txt || exit 1; done
	@cd requirements && $(LOCK) --no-deps vision.in -o vision.txt
	@cd requirements && $(LOCK) bench.in -c vision.txt -c dev.txt -o bench.txt
