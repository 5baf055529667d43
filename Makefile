# The short ways to build, test and see Rookery. Each installs the Debian packages that it needs where they are missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build test tsan simulation fuzz benchmark demo install reference deb format format-check lint clean

jobs := $(shell nproc)
# Tests wait for each other's processes more than they compute.
tests_at_once := $(shell echo $$((2 * $(jobs))))
sources := find controller tests -name '*.cpp' -o -name '*.h'
# The tests that start threads; ThreadSanitizer has nothing to say about the others.
threaded := http image image-pull source state reconcile serve
files := .
TIME := 30
FIRST := 1
LAST := 300
DEPTH := 2
targets :=
# What the demo shows: an optimised build where there is one, else one that is there in a third of the time.
to_show := $(if $(wildcard build/release/bin/rookery),release,quick)
PREFIX := /usr/local

help: ## Show this help
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

build: ## Build build/release/bin/rookery and albatross-emulator
	@scripts/install-dependencies build
	cmake --preset release
	cmake --build --preset release

test: ## Build with AddressSanitizer and UndefinedBehaviorSanitizer, run all tests
	@scripts/install-dependencies build test
	@tests/kubernetes/install
	cmake --preset asan
	cmake --build --preset asan
	ctest --preset asan --parallel $(tests_at_once) --no-tests=error

tsan: ## Run the tests that have threads with ThreadSanitizer
	@scripts/install-dependencies build test
	cmake --preset tsan
	cmake --build --preset tsan --target $(threaded:%=%-test)
	ctest --preset tsan --parallel $(jobs) --no-tests=error -R '^($(subst $() ,|,$(threaded)))$$'

simulation: ## Go through many simulated worlds on all cores (FIRST=1 LAST=300: of these seeds; DEPTH=2)
	@scripts/install-dependencies build test
	cmake --preset simulation
	cmake --build --preset simulation
	@DEPTH=$(DEPTH) tests/simulation/run build/simulation/bin $(FIRST) $(LAST)

fuzz: ## Feed all parsers with what nobody foresaw (TIME=30 seconds each; targets="wire yaml": some of them)
	@scripts/install-dependencies build test
	cmake --preset fuzz
	cmake --build --preset fuzz --target fuzz
	@tests/fuzz/run build/fuzz $(TIME) $(targets)

demo: ## See two servers follow a folder of manifests (KEEP=1 leaves them running)
	@scripts/install-dependencies build demo
	cmake --preset $(to_show)
	cmake --build --preset $(to_show)
	@KEEP=$(KEEP) tests/demo/run build/$(to_show)/bin

# Not `build`: whoever installs is root, and would own what is built.
install: ## Install what was built (PREFIX=/usr/local DESTDIR=)
	@test -x build/release/bin/rookery || $(MAKE) build
	DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX) --strip

reference: build ## Write docs/reference again, of what the program says of itself
	build/release/bin/rookery __reference markdown docs/reference

deb: build ## Build a Debian package, build/release/rookery_*.deb
	@scripts/install-dependencies deb
	cd build/release && cpack

benchmark: build ## Measure convergence beside a plain loop, the API beside a real kube-apiserver, a controller inside one
	@tests/kubernetes/install
	cmake --build --preset release --target convergence-benchmark api-benchmark cluster-benchmark
	build/release/bin/convergence-benchmark
	build/release/bin/api-benchmark
	build/release/bin/cluster-benchmark

format: ## Format all sources
	@scripts/install-dependencies lint
	$(sources) | xargs clang-format-19 -i

format-check:
	@scripts/install-dependencies lint
	$(sources) | xargs clang-format-19 --dry-run --Werror

lint: ## Check all sources with clang-tidy (files=REGEX: some of them)
	@scripts/install-dependencies build test lint
	cmake --preset lint
	cmake --build --preset lint --target crds web
	@tests/lint/run build/lint '$(files)'

clean: ## Remove everything that was built
	rm -rf build
