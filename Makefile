# The way in. `make help` lists what there is; docs/HACKING.md tells the first hour.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# For `make install`; DESTDIR goes before each path, as packagers expect.
PREFIX ?= /usr/local
DESTDIR ?=
# For `make demo`, e.g. DEMO=--keep; for `make sim`, e.g. SIM="run --seeds 500" or SIM=--help.
DEMO ?=
SIM ?= run --seeds 10000
# For `make fuzz`, e.g. FUZZ="--minutes 30", FUZZ="--count 1000000000 --seed 7" or FUZZ=--help.
FUZZ ?= --count 100000000 --minutes 5
# For `make soak`, e.g. SOAK="--minutes 60 --nodes 9 --seed 7" or SOAK=--help.
SOAK ?= --minutes 5
# What `make test` hands to `swift test`, e.g. TEST="--filter SWIMTests".
TEST ?=

.PHONY: help setup build demo test lint sim soak fuzz bench bench-membership bench-scale bench-floods check-tls deb test-systemd test-upgrade install clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:
	@.ci/setup

build: setup ## the release binary .build/release/roost, installing Debian packages if some are missing
	@.ci/build roost

demo: build ## three nodes on this machine over real UDP and TLS, and the exercise's story, step by step
	@exec .build/release/roost demo $(DEMO)

test: ## every check: format, warnings as errors, tidiness, unit, simulation, process and fuzz tests
	@.ci/setup tests
	@.ci/step lint $(MAKE) lint
	@.ci/step "build of everything" .ci/swift build --build-tests
	@exec .ci/tests $(TEST)

lint: setup ## swift-format, strict
	@swift format lint --strict --recursive --parallel Sources Tests Package.swift

sim: setup ## 10,000 seeded clusters of whole agents under all faults, with what each seed draws on of the product, every law checked (40 minutes of two cores), and twelve of 50 with few connections; prints how to see a failure again
	@.ci/build roost-sim
	@.build/release/roost-sim $(SIM)
ifeq ($(origin SIM),file)
	@for places in 2 3 8; do .build/release/roost-sim run --seeds 4 --nodes 50..50 --minutes 1 --peers-max $$places; done
endif

soak: ## real agents killed, frozen, stopped, emptied, starved of disk and packets; every acknowledged write checked
	@.ci/build roost
	@exec .ci/soak $(SOAK)

fuzz: setup ## 10^8 hostile datagrams, then libFuzzer on whatever reads bytes; prints how to run a failure again
	@exec .ci/fuzz $(FUZZ)

bench: ## speed, idle cost, crash to healed, lines of code; beside nginx, fetched from Debian if missing; in results/
	@.ci/setup tests
	@.ci/build roost
	@exec .ci/bench

bench-membership: ## 8 and 32 agents beside serf's in namespaces: join, crash, loss, starved CPU, idle; half an hour; root
	@.ci/build roost
	@exec .ci/bench-membership

bench-scale: ## 100,000 resources on three nodes: load, list, restart, leave, refill a disk under queries; half an hour
	@.ci/build roost
	@exec .ci/bench-scale

bench-floods: ## what a client notices of floods of handshakes, half-open connections and datagrams; six minutes; root
	@.ci/build roost
	@exec .ci/bench-floods

check-tls: ## what testssl.sh finds on an agent's port, beyond what docs/SECURITY.md explains; two minutes
	@.ci/setup tls
	@.ci/build roost
	@exec .ci/check-tls

deb: ## the Debian package of the release build, with lintian's verdict; prints where it is
	@.ci/setup deb
	@.ci/build roost
	@exec .ci/deb

test-systemd: ## the package on three hosts with real systemd: install, crash, reboot, upgrade, reload, purge; as root
	@.ci/setup systemd
	@.ci/build roost
	@exec .ci/systemd-test

test-upgrade: ## five agents of an earlier revision (FROM) upgraded one by one under load, with a crash and leaves in between
	@.ci/build roost
	@exec .ci/upgrade-test

install: ## the built program, its systemd unit, completions and manual into PREFIX (/usr/local); never over a configuration
	@[[ -x .build/release/roost ]] || $(MAKE) build
	@.ci/install "$(DESTDIR)" "$(PREFIX)"

clean: ## remove what was built (.build); sources and installed files stay
	@rm -rf .build && echo "removed .build"
