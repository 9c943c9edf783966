# What the project builds, tests and measures. `make` alone lists the targets.
#
# Everything fetched or built once is kept outside of the tree, in $(CACHE); consoles and images of guests are in .testbed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# A clone that belongs to another user cannot be stamped.
export GOFLAGS := -buildvcs=false $(GOFLAGS)
.PHONY: help deps generate generate-check build image check test test-long test-vm e2e demo lint portable fmt bench clean unit runner ordinary clients budgets tools fresh total

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/safeclaw-node-agent
OUT := $(or $(VM_OUT),$(CURDIR)/.testbed)

# The kernels of `make test`; `make test-vm KERNEL=6.18` takes one. Which packages each tests says test/vm/packages.
KERNELS ?= 6.12 6.18 7.3 6.1
# The kernel whose instruction counts are held against the budgets of test/bench.
BUDGET_KERNEL ?= 6.12
# `make test-long` boots each of them in these ways too, for the packages that race tasks against each other. + joins two.
VARIANTS ?= SMP=2 APPEND=preempt=full SMP=2+APPEND=preempt=full
RACING ?= ./pkg/loader ./test/escapes ./test/adversary

GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(CACHE)/tools/golangci-lint-$(GOLANGCI_VERSION)-$(shell go env GOVERSION)/golangci-lint
CLANG_FORMAT := clang-format-19

# What `go generate` makes.
GENERATED = git ls-files -co --exclude-standard -- '*_bpfel.go' '*_bpfel.o' '*_bpfel_test.go' '*_bpfel_test.o' docs/scenarios.md docs/threat-model.md

# Each stage appends its sums to RESULTS; `total` adds them up.
export RESULTS := $(OUT)/results

# Tests that try many places of a log: few with the race detector.
DAMAGE := ^(TestEveryFlippedBitIsFoundInItsRecord|TestTruncatedAnywhere|TestDiskFullAnywhere|TestInjectedIntoTheProgram)$$

BPF_SOURCES = git ls-files -co --exclude-standard -- 'bpf/*.c' 'bpf/*.h'

# SC2015: `a && b || die` is meant so. SC2016: a $ in a password hash. SC2317: functions given to retry.
SHELLCHECK_OFF := SC2015,SC2016,SC2317

COUNT = go run ./test/vm/count
# A guest of its own, since a guest has one disk; its consoles are kept apart.
TRANSPARENCY = env VM_OUT=$(OUT)/transparency VM_PKGS=./test/transparency VM_LABEL=", ordinary work"
CLIENTS = env VM_OUT=$(OUT)/clients VM_PKGS=./test/network VM_LABEL=", real clients"
comma := ,
STAGE = @printf '\n== %s\n'

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' Makefile

deps: ## install what is missing: Debian packages, Go modules, linter, kernels of the guests
	@test/vm/deps $(KERNELS)
	@$(MAKE) tools

generate: ## compile the BPF programs and their Go types (go generate, clang-19)
	go generate ./...

generate-check: ## prove that the committed output of `make generate` regenerates byte for byte
	$(STAGE) generate-check
	@mkdir -p $(OUT); $(GENERATED) | xargs -r sha256sum > $(OUT)/generated.before
	@[ -s $(OUT)/generated.before ] || { echo "generate-check: there is no generated file"; exit 1; }
	@go generate ./...
	@$(GENERATED) | xargs -r sha256sum > $(OUT)/generated.after
	@diff -u $(OUT)/generated.before $(OUT)/generated.after || { echo "generate-check: run 'make generate' and commit what it makes"; exit 1; }
	@$(GENERATED) | xargs -r git ls-files --error-unmatch > /dev/null
	@[ -z "$(CI)" ] || $(GENERATED) | xargs -r git diff --exit-code --
	@wc -l < $(OUT)/generated.after | xargs printf '%s generated files are up to date\n'

build: ## bin/node-agent, static
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

# The name under which the DaemonSet asks for it.
IMAGE ?= $(shell sed -n 's/^ *image: \([^ ]*\).*/\1/p' deploy/daemonset/base/daemonset.yaml)
image: ## bin/node-agent.tar, the container image; the same digest wherever it is built. ARCH=amd64 for one processor alone
	@mkdir -p bin
	@go run ./deploy/image -o bin/node-agent.tar -name $(IMAGE) -arch $(or $(ARCH),amd64$(comma)arm64)

portable: ## prove that the commands that need no kernel build and vet for macOS and Windows
	@for os in darwin windows; do for c in node-agent audit-verify; do GOOS=$$os CGO_ENABLED=0 go vet ./cmd/$$c && GOOS=$$os CGO_ENABLED=0 go build -o /dev/null ./cmd/$$c || exit 1; done; done

check: fresh unit lint ## quick: unit tests with the race detector, linters, guest tests on one kernel
	$(STAGE) "guest tests"
	@test/vm/run $(firstword $(KERNELS))
	@$(MAKE) total

test: fresh lint generate-check unit ## what guards a commit: linters, generated files, unit tests, guest tests on $(KERNELS)
	$(STAGE) "guest tests"
	@test/vm/run $(KERNELS)
	@$(MAKE) -j2 --output-sync=target ordinary clients runner budgets
	@$(MAKE) total

test-long: fresh lint generate-check budgets ## all of it with raised counts: three unit runs, fuzzing, guests with two CPUs and full preemption
	$(STAGE) "unit tests, three times"
	@SAFECLAW_LONG=1 go test -race -short -count=3 -timeout 60m -json ./... | $(COUNT) -name "unit tests, three times" -result $(RESULTS)
	$(STAGE) "unit tests of the policy language in full"
	@go test -json ./pkg/policy ./pkg/policy/explain | $(COUNT) -name "policy language" -result $(RESULTS)
	$(STAGE) "damaged audit logs, every bit and every byte"
	@SAFECLAW_LONG=1 go test -json -timeout 120m -run '$(DAMAGE)' ./pkg/audit ./cmd/node-agent | $(COUNT) -name "damaged audit logs" -result $(RESULTS)
	$(STAGE) "tables against rules"
	@POLICY_COMPARISONS=10000000 POLICY_SEED=$$RANDOM go test -v -timeout 60m -run '^TestEvaluateAgrees$$' ./pkg/policy
	$(STAGE) "DNS messages: the kernel's reader, the rules, a library"
	@DNS_MESSAGES=5000000 DNS_SEED=$$RANDOM go test -v -timeout 60m -run '^TestDNSOracle$$' ./pkg/loader
	$(STAGE) fuzzing
	@test/vm/fuzz $(or $(FUZZTIME),60s)
	@for k in $(KERNELS); do test/vm/selftest $$k; test/vm/nolsm $$k; done
	$(STAGE) "guest tests"
	@T=7200 VM_ALL=1 VM_ENV=SAFECLAW_LONG=1 test/vm/run $(KERNELS)
	$(STAGE) "ordinary work, gated and ungated"
	@T=7200 VM_ENV=SAFECLAW_LONG=1 $(TRANSPARENCY) test/vm/run $(KERNELS)
	$(STAGE) "resolvers and clients that are not ours"
	@T=7200 $(CLIENTS) test/vm/run $(KERNELS)
	@$(MAKE) e2e
	@for v in $(VARIANTS); do printf '\n== guest tests, %s\n' "$$v"; env T=3600 VM_PKGS="$(RACING)" VM_LABEL=" $$v" $${v//+/ } test/vm/run $(KERNELS); done
	@$(MAKE) total

test-vm: fresh ## guest tests alone: all kernels, or KERNEL=6.12; FLAGS="-test.run Open" goes to the tests
	@test/vm/run $(or $(KERNEL),$(KERNELS)) -- $(FLAGS)
	@$(MAKE) total

e2e: ## a real cluster: control plane here, a node in a guest; the first time Kubernetes is built, 20 CPU-minutes
	$(STAGE) "real API server"
	@test/e2e/api
	$(STAGE) "real cluster"
	@test/e2e/run $(firstword $(KERNELS))

demo: build ## the reference policy on a container's root: here where BPF LSM is active, else in a guest
	@test/vm/deps $(firstword $(KERNELS))
	@test/vm/demo

lint: tools ## golangci-lint (vet, staticcheck, import directions), gofmt, clang-format
	$(STAGE) lint
	@$(GOLANGCI) run ./...
	@$(GOLANGCI) fmt --diff
	@$(BPF_SOURCES) | xargs -r $(CLANG_FORMAT) --dry-run --Werror
	@go mod tidy -diff
	@$(MAKE) portable
	@shellcheck -x -P test/vm -e $(SHELLCHECK_OFF) .ci/run $$(git ls-files -co --exclude-standard -- test | xargs grep -lE '^#!/bin/(ba|busybox )?sh')

fmt: tools ## format the Go and the C sources
	@$(GOLANGCI) fmt
	@$(BPF_SOURCES) | xargs -r $(CLANG_FORMAT) -i

bench: build ## exact guest instructions for each hook, Go benchmarks
	@test/vm/bench

clean: ## remove what was built; fetched kernels, packages and tools stay in the cache
	rm -rf bin $(OUT)

# The parts of the above.
unit:
	$(STAGE) "unit tests"
	@go test -race -short -json ./... | $(COUNT) -name "unit tests" -result $(RESULTS)
	$(STAGE) "unit tests of the policy language in full"
	@go test -json ./pkg/policy ./pkg/policy/explain | $(COUNT) -name "policy language" -result $(RESULTS)
	$(STAGE) "damaged audit logs"
	@go test -json -run '$(DAMAGE)' ./pkg/audit | $(COUNT) -name "damaged audit logs" -result $(RESULTS)

# One guest each, two at a time.
ordinary:
	$(STAGE) "ordinary work, gated and ungated"
	@$(TRANSPARENCY) test/vm/run $(firstword $(KERNELS))

clients:
	$(STAGE) "resolvers and clients that are not ours"
	@$(CLIENTS) test/vm/run $(firstword $(KERNELS))

budgets:
	$(STAGE) "instruction budgets"
	@CHECK=1 test/vm/bench $(BUDGET_KERNEL)

runner:
	$(STAGE) "guest runner"
	@test/vm/selftest $(firstword $(KERNELS))
	$(STAGE) "no BPF LSM"
	@test/vm/nolsm $(firstword $(KERNELS))

tools: $(GOLANGCI)

$(GOLANGCI):
	@printf 'building golangci-lint %s, once\n' $(GOLANGCI_VERSION)
	@. test/vm/lib.sh; mkdir -p $(@D); GOBIN=$(@D) retry go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

fresh:
	@mkdir -p $(OUT); rm -f $(RESULTS)

total:
	@test/vm/total $(RESULTS)
