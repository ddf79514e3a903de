# Catchment. `make demo` shows it, `make test` checks it; the rest is for those
# who work on it. Needs Go and Node; `make deps` installs what tests need besides.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOFLAGS_BUILD = -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
DATA ?= ./demo-data
LISTEN ?= 127.0.0.1:8080

.PHONY: build app screenshots pictures first-load icons demo test fast race lint bench seal-cost properties policies prove security security-fast release fuzz firewall api deps clean

build: app
	go build $(GOFLAGS_BUILD) -o bin/catchment ./cmd/catchment

# The web app, embedded into the program. Without Node the program has the API
# and a page that says what is missing.
NODE := $(shell command -v npm 2>/dev/null)
APP = internal/app/dist/index.html
APP_FILES = $(shell find browser/app -name node_modules -prune -o -type f ! -name schema.d.ts -print)
ifeq ($(NODE),)
app:
	@echo "Node is not installed: the program is built without the web app"
else
app: $(APP)
endif

$(APP): browser/app/node_modules/.package-lock.json $(APP_FILES)
	cd browser/app && npm run -s build

browser/app/node_modules/.package-lock.json: browser/app/package-lock.json
	cd browser/app && npm ci --no-fund --no-audit

# Every screen at phone and desktop size, light and dark, into a folder that git ignores.
screenshots: deps build
	go test -count=1 -timeout 30m -run '^TestScreens$$' ./cmd/catchment -screens $(CURDIR)/screenshots

# The few small ones that the README shows, committed.
pictures: deps build
	go test -count=1 -timeout 10m -run '^TestPictures$$' ./cmd/catchment -pictures $(CURDIR)/docs/pictures

# How long the desk's first load takes on a slow phone, the next one and the third, with a control
# that is not slowed: a processor four times slower, 10 Mbit/s, 40 ms. The medians fail over 3 s, 1 s
# and 1 s. To be run on a quiet machine; timed, so no part of `make test`.
first-load: deps build
	go test -count=1 -v -run '^TestFirstLoad$$' ./cmd/catchment -first-load 9

# The icons that phones want as PNG, drawn from browser/app/public/sign.svg and committed.
icons:
	go test -count=1 -run '^TestIcons$$' ./internal/app/apptest -write-icons

demo: build
	./bin/catchment demo --data $(DATA) --listen $(LISTEN)

# The whole suite: format, vet, the picture of the house, both databases, the
# command built and run, and the web app in Chromium. PostgreSQL and Chromium
# are installed when they are missing. What failed is said once more at the end.
test: deps lint build
	$(if $(NODE),cd browser/app && npm test --silent)
	@mkdir -p bin; (go test -timeout 20m ./... || echo failed >bin/test.failed) 2>&1 | tee bin/test.log; \
	if rm bin/test.failed 2>/dev/null; then \
		echo; echo "What failed (the whole of it: bin/test.log):"; \
		grep -nE '^ *--- FAIL|^ *[a-z_0-9]+_test\.go:[0-9]+: |^ *apptest\.go:[0-9]+: |^panic|^FAIL' bin/test.log | grep -vE 'the page at the end|the end of the log' | cut -c1-200 | head -60; \
		exit 1; \
	fi

# Without PostgreSQL.
fast:
	go test -short ./...

race:
	go test -race -timeout 30m ./internal/...

lint:
	@bad=$$(gofmt -l cmd internal tools); if [ -n "$$bad" ]; then echo "not gofmt'ed:"; echo "$$bad"; exit 1; fi
	go vet ./...

bench: build
	./bin/catchment prove bench

# What sealing adds to a capture (alternating pairs with a door that leaves the
# text in clear), and what opening a page of fifty leads costs.
PAIRS ?= 25
seal-cost:
	go test -count=1 -v -run '^TestSealCost$$' ./internal/capture -seal-pairs $(PAIRS) | grep -v '^='
	go test -count=1 -v -run '^TestOpenCost$$' ./internal/directory -open-pages 500 | grep -v '^='

# The promises about leads as properties, on both engines, each with controls:
# the same checks of a sabotaged system must notice. Prints one table.
CASES ?= 300
properties: deps
	@go test -json -count=1 -timeout 20m -run '^TestProperty' ./internal/routing ./internal/intake -rapid.checks=$(CASES) | go run ./internal/propertytest/table

# The firewall: all of the rules' own tests, a minute of drawn texts for the
# value gate's promise (LONG=1h for an hour of them), and two hundred letters of
# people who mean what they say, by themselves and through a whole house. Then
# what it costs: alternating pairs with a door that has none, and `prove firewall`.
LONG ?= 1m
firewall: build
	go test -count=1 -v -timeout 90m -run 'Suite|Positives|Blocked|Believable' ./internal/firewall -firewall.whole -firewall.long $(LONG)
	go test -count=1 -v -run TestCourseOfALead ./cmd/catchment
	go test -count=1 -v -run '^TestFirewallCost$$' ./internal/capture -firewall-pairs $(PAIRS)
	./bin/catchment prove firewall

# Routing policies on both engines: a hundred thousand saved decisions replayed,
# and back-tested against a slow recount, each with a control. Prints one table.
DECISIONS ?= 100000
policies: deps
	@go test -json -count=1 -timeout 25m -run 'TestManyDecisions' ./internal/routing -decisions=$(DECISIONS) | go run ./internal/propertytest/table policies

# The long proofs: each prints its figures and has a control that must fail.
prove: build
	@sh scripts/deps.sh prove
	./bin/catchment prove all

# Catchment as the tools of others and its own attacks see it, on one page:
# bin/security.md. What is found and not explained in tools/security/known.json
# fails; -note writes it there, for its reason to be given.
security: deps build
	@sh scripts/deps.sh prove
	go run -C tools ./security -fuzz $(FUZZTIME)

# The part that takes moments, after each `make test` on the way in.
security-fast:
	cd tools && go vet ./... && go test ./...
	go run -C tools ./security -fast

# A committed state, packed into dist/: the program twice built and equal, what
# it is made of, sums, signature. RELEASE_KEY names the file with minisign's key.
release:
	go run -C tools ./release -version $(VERSION)

FUZZTIME ?= 20s
fuzz:
	@go list -f '{{$$p := .ImportPath}}{{range .TestGoFiles}}{{$$p}} {{end}}{{range .XTestGoFiles}}{{$$p}} {{end}}' ./internal/... | tr ' ' '\n' | sort -u | while read pkg; do \
	  [ -z "$$pkg" ] || go test -list '^Fuzz' $$pkg | grep '^Fuzz' | while read f; do \
	    echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; done || exit 1; done

# The web app's typed client is generated from this copy of the API's document.
api:
	go test -count=1 -run '^TestTheWholeDocument$$' ./cmd/catchment -write-api

deps:
	@sh scripts/deps.sh

clean:
	rm -rf bin demo-data
