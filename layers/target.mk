# Included by the Makefile of each layer: what it is built for, and with which tools. A local build passes its own
# interpreter and platform; every other takes the processor from the one line of template.yaml that names it.
PROCESSOR := $(shell sed -n 's/^ *Architectures: \[&architecture \([a-z0-9_]*\)\].*/\1/p' ../../template.yaml)
WHEELS_x86_64 := x86_64-manylinux_2_28
WHEELS_arm64 := aarch64-manylinux_2_28
PYTHON_VERSION ?= 3.13
PYTHON_PLATFORM ?= $(or $(WHEELS_$(PROCESSOR)),$(error template.yaml names no processor in Globals, Function, Architectures))
PYTHON ?= python$(PYTHON_VERSION)

UV := $(firstword $(wildcard ../../.venv/bin/uv) $(shell command -v uv))
ifeq ($(UV),)
$(error uv is missing: run `make build` instead of `sam build`, which installs it into .venv, or install uv yourself)
endif
