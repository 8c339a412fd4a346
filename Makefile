# Images that docker-build makes, and that deploy and build-installer refer to: the manager's, and node-proxy's, by default
# beside it (registry.example.com/portolan:dev, registry.example.com/portolan-node-proxy:dev): of an IMG with a digest it has
# to be said.
IMG ?= controller:latest
NODE_PROXY_IMG ?= $(if $(findstring @,$(IMG)),$(error IMG=$(IMG) has a digest, and the image of node-proxy has another one: set NODE_PROXY_IMG, too),$(shell sed -E 's|(:[^:/]*)?$$|-node-proxy\1|' <<<'$(IMG)'))
# What node-proxy in the image reports as its version.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
# Any tool with docker's command line: docker, podman, nerdctl.
CONTAINER_TOOL ?= docker
# The kubectl that talks to your cluster.
KUBECTL ?= kubectl

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

.PHONY: all
all: build

##@ General

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "; printf "Usage: make TARGET [VARIABLE=value]\n"} \
		/^[a-zA-Z0-9_-]+:.*## / {printf "  %-20s %s\n", $$1, $$2} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo
demo: controlplane bin/manager bin/node-proxy bin/kubectl-portolan bin/demo ## Run a real control plane with three nodes on this machine and show the tour (ARGS=--once: run it and exit; ARGS=--help: what else).
	@if [[ '$(ARGS)' =~ --proxy[=\ ](kube-proxy|both) ]]; then hack/system-packages nodes || true; fi # else the demo says what it leaves out
	@if [[ -t 1 ]]; then set -m; fi; bin/demo $(ARGS) || exit $$? # set -m: Ctrl-C is for the demo, which ends in order, and not for make

##@ Test

# What go test gets besides the packages, for example TESTFLAGS='-run TestQuota -v' or TESTFLAGS=-race.
TESTFLAGS ?=

# Tests of real clusters and packets share the machine with all that runs on it, and one in thousands may come too late. A few
# that fail are run once more; the summary names them as failed all the same. RERUN= : none is.
RERUN ?= --rerun-fails=1 --rerun-fails-max-failures=6 --rerun-fails-run-root-test

.PHONY: test
test: controlplane previous bin/manager bin/node-proxy bin/kubectl-portolan bin/tools/gotestsum ## Run every test: unit, integration, end to end; ends with what was skipped and why.
	@hack/system-packages || echo "Going on without: the tests that need it are skipped, see the end."
	bin/tools/gotestsum --format=pkgname-and-test-fails --format-hide-empty-pkg $(RERUN) --raw-command -- hack/test $(TESTFLAGS)

.PHONY: test-unit
test-unit: ## Run the tests that need neither a control plane nor root.
	go test $(TESTFLAGS) $$(go list ./... | grep -v '/test/')

# For how long each fuzz target runs, and a pattern of those that do.
FUZZTIME ?= 30s
FUZZ ?= .

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME, and print what ran and what was found (FUZZ=pattern: some of them).
	hack/fuzz '$(FUZZTIME)' '$(FUZZ)'

.PHONY: conformance
conformance: controlplane bin/node-proxy ## Hold node-proxy and kube-proxy in both modes against the same cases, and print one table (needs root).
	@hack/system-packages nodes
	cd test/conformance && go test -count=1 -timeout=20m -proxies=all $(TESTFLAGS)

# How long soak breaks things, and how long crash loops, churn and an API server that is away go on, each, in faults; 0: seconds, as
# in make test.
MINUTES ?= 0

# What happens in soak follows from it.
SEED ?= 1

.PHONY: soak
soak: controlplane bin/manager ## Break managers, API server, etcd and connections under clients, and judge every revision (MINUTES=30: for longer; SEED=7).
	cd test/soak && go test -count=1 -v -timeout=$$((20 + 2 * $(MINUTES)))m -run 'Whatever|Judge|Proof' $(TESTFLAGS) -minutes=$(MINUTES) -seed=$(SEED)

.PHONY: soak-mutants
soak-mutants: controlplane bin/manager-mutant ## See that soak catches managers that are broken on purpose, each of three.
	cd test/soak && go test -count=1 -v -timeout=30m -run Mutant $(TESTFLAGS) -seed=$(SEED) -mutant=$(CURDIR)/bin/manager-mutant

.PHONY: faults
faults: controlplane bin/node-proxy ## Break what a node-proxy stands on, and node-proxy itself, under traffic (MINUTES=10: for longer; needs root).
	@hack/system-packages nodes
	cd test/faults && go test -count=1 -v -timeout=$$((20 + 5 * $(MINUTES)))m $(TESTFLAGS) -minutes=$(MINUTES)

.PHONY: bench
bench: controlplane bin/manager bin/node-proxy ## Run the benchmarks, peers and product in turn (BENCH="name name": some of them; BENCH=--resume: go on where the last run was interrupted; BENCH=--help: what else).
	@hack/system-packages nodes || echo "Going on without: the benchmarks that need it are left out."
	go run ./test/bench $(BENCH)

##@ Develop

GENERATED_FROM := ./api/...;./controllers/...;./internal/...;./webhooks/...

.PHONY: manifests
manifests: bin/tools/controller-gen ## Generate CustomResourceDefinitions, webhook configurations and the manager's ClusterRole.
	bin/tools/controller-gen rbac:roleName=manager-role crd webhook paths="$(GENERATED_FROM)" output:crd:artifacts:config=config/crd/bases

.PHONY: generate
generate: bin/tools/controller-gen ## Generate the deep copies of api/.
	bin/tools/controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: docs
docs: bin/tools/crd-ref-docs ## Generate docs/reference/api.md from api/.
	bin/tools/crd-ref-docs --source-path=api --config=hack/api-reference.yaml \
		--renderer=markdown --output-path=docs/reference/api.md --log-level=ERROR

.PHONY: fmt
fmt: ## Format the Go code.
	go fmt ./...

.PHONY: vet
vet: ## Run go vet.
	go vet ./...
	cd test/monitoring && go vet ./...
	cd hack/sbom && go vet ./...

.PHONY: lint
lint: bin/tools/golangci-lint ## Run the linters of .golangci.yml.
	bin/tools/golangci-lint run --allow-parallel-runners
	cd test/monitoring && $(CURDIR)/bin/tools/golangci-lint run --allow-parallel-runners
	cd hack/sbom && $(CURDIR)/bin/tools/golangci-lint run --allow-parallel-runners

.PHONY: lint-fix
lint-fix: bin/tools/golangci-lint ## Run the linters and mend what they can mend.
	bin/tools/golangci-lint run --allow-parallel-runners --fix

.PHONY: tidy
tidy: ## Tidy every Go module of this repository.
	git ls-files '*go.mod' | while read -r mod; do (cd "$$(dirname "$$mod")" && go mod tidy); done

.PHONY: verify
verify: controlplane bin/tools/controller-gen bin/tools/crd-ref-docs bin/tools/golangci-lint bin/tools/govulncheck ## Check that all is generated, formatted, linted, tidy, without known vulnerabilities, and that config/ builds.
	hack/verify

.PHONY: vulndb
vulndb: ## Renew hack/vulndb/snapshot, which verify goes by where https://vuln.go.dev cannot be reached.
	go run ./hack/vulndb

##@ Build

.PHONY: build
build: manifests generate fmt vet bin/manager bin/node-proxy bin/kubectl-portolan ## Generate, check, and build bin/manager, bin/node-proxy and bin/kubectl-portolan.

# Always handed to go build, which knows best what is out of date.
.PHONY: bin/manager bin/manager-mutant bin/node-proxy bin/kubectl-portolan bin/demo
bin/manager:
	go build -o $@ ./cmd/manager
bin/manager-mutant: # never for use: internal/allocator/mutant.go
	go build -tags=mutant -o $@ ./cmd/manager
bin/node-proxy:
	go build -o $@ ./cmd/node-proxy
bin/kubectl-portolan:
	go build -o $@ ./cmd/kubectl-portolan
bin/demo:
	go build -o $@ ./test/demo

.PHONY: run
run: manifests generate fmt vet ## Run the manager from your host against the cluster of your kubeconfig (ARGS: see CONTRIBUTING.md).
	go run ./cmd/manager $(ARGS)

.PHONY: docker-build
docker-build: ## Build the images IMG and NODE_PROXY_IMG from the Dockerfile.
	$(CONTAINER_TOOL) build --build-arg=VERSION=$(VERSION) -t $(IMG) .
	$(CONTAINER_TOOL) build --build-arg=VERSION=$(VERSION) --target node-proxy -t $(NODE_PROXY_IMG) .

.PHONY: docker-push
docker-push: ## Push the images IMG and NODE_PROXY_IMG.
	@$(named)
	$(CONTAINER_TOOL) push $(IMG)
	$(CONTAINER_TOOL) push $(NODE_PROXY_IMG)

PLATFORMS ?= linux/arm64,linux/amd64,linux/s390x,linux/ppc64le
.PHONY: docker-buildx
docker-buildx: ## Build the images IMG and NODE_PROXY_IMG for PLATFORMS and push them.
	-$(CONTAINER_TOOL) buildx create --name portolan-builder
	$(CONTAINER_TOOL) buildx build --builder portolan-builder --push --build-arg=VERSION=$(VERSION) --platform=$(PLATFORMS) --tag $(IMG) .
	$(CONTAINER_TOOL) buildx build --builder portolan-builder --push --build-arg=VERSION=$(VERSION) --platform=$(PLATFORMS) --target node-proxy --tag $(NODE_PROXY_IMG) .
	-$(CONTAINER_TOOL) buildx rm portolan-builder

.PHONY: ko-build
ko-build: bin/tools/ko ## Build the images without an engine, into the OCI layouts dist/image and dist/node-proxy-image, with what they are made of in dist/*.spdx.json (does not push).
	mkdir -p dist
	rm -rf dist/image dist/node-proxy-image
	$(call ko,dist/image,./cmd/manager)
	$(call ko,dist/node-proxy-image,./cmd/node-proxy)

.PHONY: build-installer
build-installer: ## Write dist/install.yaml, with image IMG, and dist/node-proxy.yaml, with image NODE_PROXY_IMG: everything in one file each.
	@$(named)
	mkdir -p dist
	$(call render,config/default) >dist/install.yaml
	$(render-node-proxy) >dist/node-proxy.yaml

.PHONY: build-plugin
build-plugin: ## Write the archives of kubectl-portolan that hack/krew/portolan.yaml names, their sha256, and what they are made of, into dist/.
	hack/krew/build dist

.PHONY: reproducible
reproducible: bin/tools/ko ## Build the last commit twice, apart, and compare each byte (minutes; IMAGES=yes: the images, too).
	IMAGES=$(IMAGES) hack/reproducible

##@ Deploy (to the cluster of your kubeconfig)

ignore-not-found ?= false

.PHONY: install
install: ## Install the CustomResourceDefinitions.
	$(call render,config/crd) | $(KUBECTL) apply -f -

.PHONY: uninstall
uninstall: ## Remove the CustomResourceDefinitions and every object of theirs (ignore-not-found=true: tolerate absence).
	$(call render,config/crd) | $(KUBECTL) delete --ignore-not-found=$(ignore-not-found) -f -

.PHONY: deploy
deploy: ## Install Portolan with image IMG.
	@$(named)
	$(call render,config/default) | $(KUBECTL) apply -f -

.PHONY: undeploy
undeploy: ## Remove Portolan; Services keep their numbers (ignore-not-found=true: tolerate absence).
	$(call render,config/default) | $(KUBECTL) delete --ignore-not-found=$(ignore-not-found) -f -
	@# It goes with the pools, but not in the first half minute, when the garbage collector does not know them yet.
	$(KUBECTL) delete validatingadmissionpolicybinding,validatingadmissionpolicy nodeports.portolan.dev --ignore-not-found

.PHONY: deploy-node-proxy
deploy-node-proxy: ## Install node-proxy with image NODE_PROXY_IMG, for the Services whose label names it.
	@$(if $(filter controller-node-proxy:latest,$(NODE_PROXY_IMG)),$(named))
	$(render-node-proxy) | $(KUBECTL) apply -f -

.PHONY: undeploy-node-proxy
undeploy-node-proxy: ## Remove node-proxy; what to do before, and on the nodes: docs/install.md (ignore-not-found=true: tolerate absence).
	$(render-node-proxy) | $(KUBECTL) delete --ignore-not-found=$(ignore-not-found) -f -

##@ What the above needs (made on demand)

.PHONY: controlplane
controlplane: ## Build kube-apiserver, etcd and friends into bin/controlplane (minutes the first time, nothing after).
	@hack/controlplane/build

.PHONY: previous
previous: ## Build the version before this one into bin/previous, for test/upgrade (half a minute the first time, nothing after).
	@hack/previous/build

.PHONY: system-packages
system-packages: ## Install what tests run besides, where it is missing: nft, iptables, haproxy, nginx, named-checkzone (root and apt-get).
	@hack/system-packages

.PHONY: tools
tools: bin/tools/controller-gen bin/tools/crd-ref-docs bin/tools/golangci-lint bin/tools/gotestsum bin/tools/govulncheck bin/tools/ko ## Build the pinned tools into bin/tools.

# Stops what would have a cluster look for an image of the name that is only this file's.
named = $(if $(filter controller:latest,$(IMG)),$(error say which image, of a registry that the cluster can pull from: make $@ IMG=registry.example.com/portolan:dev))

# The rendered overlay $1, and that of node-proxy. The images are set on the way out: deploying never edits a file of yours.
render = $(KUBECTL) kustomize $1 | sed 's|image: controller:latest$$|image: $(IMG)|'
render-node-proxy = $(KUBECTL) kustomize config/node-proxy | sed 's|image: node-proxy:latest$$|image: $(NODE_PROXY_IMG)|'

# The image of program $2 into the OCI layout $1. The repository is none: ko.local would be a docker daemon's.
ko = VERSION=$(VERSION) KO_DOCKER_REPO=portolan.invalid bin/tools/ko build --push=false --oci-layout-path=$1 --sbom=spdx --sbom-dir=dist --bare $2

# tool NAME, DIRECTORY OF ITS MODULE, PACKAGE
define tool
bin/tools/$1: $2/go.mod $2/go.sum
	@echo "building $1"
	@cd $2 && CGO_ENABLED=0 GOWORK=off go build -trimpath -ldflags='-s -w' -o $$(CURDIR)/$$@ $3
	@touch $$@
endef
$(eval $(call tool,controller-gen,hack/tools,sigs.k8s.io/controller-tools/cmd/controller-gen))
$(eval $(call tool,crd-ref-docs,hack/tools,github.com/elastic/crd-ref-docs))
$(eval $(call tool,golangci-lint,hack/tools,github.com/golangci/golangci-lint/v2/cmd/golangci-lint))
$(eval $(call tool,gotestsum,hack/tools,gotest.tools/gotestsum))
$(eval $(call tool,govulncheck,hack/tools,golang.org/x/vuln/cmd/govulncheck))
$(eval $(call tool,ko,hack/tools/ko,github.com/google/ko))
