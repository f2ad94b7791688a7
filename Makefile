# Few targets, all working. `make` alone lists them.
GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(shell go env GOPATH)/bin/golangci-lint
FUZZTIME ?= 10s
FAULTS_TIME ?= 20m
FAULTS_SEEDS ?= 3
MODULES := . bench testcontainers

VERSION ?=
DIST ?= dist

.PHONY: help build release release-check recording systems test race fuzz lint words afalg bench check-observe check-page check-image check-chart test-containers containers-kafka containers-others faults faults-nats

help:
	@grep -E '^## ' Makefile | sed 's/^## //'

## build            the command, into bin/
build:
	go build -o bin/streamcrypt ./cmd/streamcrypt

## release          everything that is shipped, into DIST (dist): VERSION=v1.2.3; the same commit makes the same bytes
release:
	go run ./internal/release -out $(DIST) $(if $(VERSION),-version $(VERSION))

## release-check    the slow checks of it: two builds compared, packages installed, image, chart, afalg, check-observe
release-check: check-observe
	TEST_RELEASE=1 go test -count=1 -timeout 3h -v ./deploy

## recording        README's recording of the demo, made anew; needs npm, and Python with venv
recording:
	deploy/recording/record.sh

## systems          does it build for the other systems?
systems:
	GOOS=darwin go build ./...
	GOOS=windows go build ./...

## test             all quick tests: no Docker, no broker
test:
	go test ./...

## race             the same under the race detector, and of the command's vectors, mistakes and kills a part
race:
	go test -race -short -timeout 30m ./...

## fuzz             every fuzz target for FUZZTIME (10s; or a count, 10000x)
fuzz:
	@set -e; for file in $$(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
			echo "fuzz $$(dirname $$file) $$target"; \
			go test $$(dirname $$file) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME); \
		done; \
	done

## lint             formatting, vet, golangci-lint with the import rules, in all modules
lint: $(GOLANGCI)
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	@set -e; for module in $(MODULES); do \
		echo "lint $$module"; (cd $$module && go vet ./... && go vet -tags releasecheck ./... && $(GOLANGCI) run ./...); \
	done

## words            is every file written as plainly as before? (CONTRIBUTING.md)
words:
	go run ./internal/meters

$(GOLANGCI):
	go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

## afalg            sealing through the kernel, in a virtual machine; KERNEL is an unpacked kernel package, or one of Debian is fetched
afalg:
	internal/kernelaead/guest.sh "$(KERNEL)"

## bench            the figures of docs/performance.md, as ratios to baselines of the same run
bench:
	cd bench && go run .

## faults-nats      NATS's fault suite over NATS_FAULTS_SEEDS (3) seeds, the first one NATS_FAULTS_SEED; short in test-containers
faults-nats:
	cd testcontainers && NATS_FAULTS_SEEDS=$${NATS_FAULTS_SEEDS:-3} go test -count=1 -v -timeout 3h \
		-run '^TestNATS(TailLost|MadeAnew|KeyServiceAway|Faults)$$' .

## check-observe    the page in a browser (kept as bin/page.png), INFORMs to snmptrapd, promtool; Debian: chromium snmptrapd prometheus
check-observe: check-page
	go test -count=1 -tags releasecheck -v -run 'TestBrowser|TestAnswersWhileBusy|TestPromtool|TestSnmptrapd' ./internal/ops ./internal/alarm

## check-page       the page of a running route, driven by a browser and kept as bin/page.png; Debian: chromium
check-page:
	mkdir -p bin
	cd testcontainers && TEST_SCREENSHOT=$(CURDIR)/bin/page.png go test -count=1 -tags releasecheck -v -run '^TestPageDriven$$' .

## check-image      a part of release-check: the image of this machine's kind is built and run; needs a container engine
check-image:
	TEST_RELEASE=1 TEST_RELEASE_VARIANTS=linux/$$(go env GOARCH) go test -count=1 -timeout 30m -v -run '^TestImage$$' ./deploy

## check-chart      a part of release-check: the chart, by helm and kubectl-validate of the module proxy
check-chart:
	TEST_RELEASE=1 go test -count=1 -timeout 30m -v -run '^TestChart' ./deploy

## test-containers  against real servers, in two halves side by side: they wait most of the time; needs a container engine
test-containers:
	@$(MAKE) --no-print-directory -j2 containers-kafka containers-others

containers-kafka:
	cd testcontainers && go test -count=1 -timeout 30m -run '^TestKafka' ./...

containers-others:
	cd testcontainers && go test -count=1 -timeout 30m -skip '^TestKafka' ./...

## faults           Kafka's fault suite for FAULTS_TIME (20m) over FAULTS_SEEDS (3) seeds, the first one FAULTS_SEED; short in test-containers
faults:
	cd testcontainers && FAULTS_TIME=$(FAULTS_TIME) FAULTS_SEEDS=$(FAULTS_SEEDS) FAULTS_SEED=$(FAULTS_SEED) \
		go test -count=1 -timeout 3h -v -run '^TestKafkaFaults$$' .
