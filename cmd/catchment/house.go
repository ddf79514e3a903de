package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/app"
	"catchment/internal/audit"
	"catchment/internal/capture"
	"catchment/internal/carry"
	"catchment/internal/concern"
	"catchment/internal/console"
	"catchment/internal/courier"
	"catchment/internal/desk"
	"catchment/internal/directory"
	"catchment/internal/events"
	"catchment/internal/files"
	"catchment/internal/filing"
	"catchment/internal/firewall"
	"catchment/internal/followup"
	"catchment/internal/insight"
	"catchment/internal/intake"
	"catchment/internal/jobs"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/ledger"
	"catchment/internal/limits"
	"catchment/internal/notify"
	"catchment/internal/page"
	"catchment/internal/privacy"
	"catchment/internal/publish"
	"catchment/internal/routing"
	"catchment/internal/signin"
	"catchment/internal/snapshot"
	"catchment/internal/store"
	"catchment/internal/store/setup"
	"catchment/internal/web"
	"catchment/internal/webhook"

	"github.com/nats-io/nats.go/jetstream"
)

// house holds the parts of a running Catchment, in the order of a lead's
// course. A part that the role does not need is nil.
type house struct {
	c       config
	log     *slog.Logger
	mux     *http.ServeMux
	started time.Time

	ring     *keyring.Keyring // nil for --role capture, and while sealed: the door has only a door's keys
	door     *keyring.Door
	limits   *limits.Limits
	firewall *firewall.Judge // nil, with guard: --firewall off
	guard    *firewall.Guard
	journal  *journal.Journal
	ledger   *ledger.Ledger
	snapshot *snapshot.Reader
	sealer   *keyring.Sealer
	capture  *capture.Door

	db        *store.DB
	accounts  *keyring.Accounts
	grants    *keyring.Grants
	jobs      *jobs.List
	events    *events.Log
	feed      *events.Feed
	publisher *publish.Publisher
	writer    *snapshot.Writer
	directory *directory.Directory
	phones    *courier.Courier // nil: no codes go out
	mail      *courier.Courier // nil: no mail goes out
	signin    *signin.Signin
	intake    *intake.Intake
	routing   *routing.Router
	notify    *notify.Notifier
	filing    *filing.Filing
	privacy   *privacy.Privacy
	concerns  *concern.Concerns
	runner    *jobs.Runner
	carrier   *carry.Carrier
	sequencer *events.Sequencer
	tree      *audit.Sequencer
	shipper   *shipper     // nil without --backup-to, and on PostgreSQL
	outside   *outside     // nil without --bucket-url
	logs      files.Bucket // nil: the log is not kept
	insight   *insight.Insight
	watcher   *insight.Watcher
	webhooks  *webhook.Deliverer
	desk      *desk.Desk
	page      *page.Door // nil but for --role all and web
	follower  *follower  // while a move copies what stands on SQL

	heir       atomic.Pointer[house] // the house that has this one's door after a move
	replayed   atomic.Bool           // what was deleted is gone from this database, too
	unscrubbed atomic.Bool           // something was destroyed that PostgreSQL's pages still have
	sealed     bool                  // the keyring waits for its passphrase; another house takes this one's place
	startNoted bool                  // on the platform's record, once however often SQL has to be tried
	ready      atomic.Bool           // SQL has this program's schema and the parts behind it run
	draining   atomic.Bool
	stops      []func() // what was started, in that order
	work       sync.WaitGroup
	end        context.CancelFunc
}

func (h *house) role(names ...string) bool {
	for _, n := range names {
		if h.c.Role == n {
			return true
		}
	}
	return h.c.Role == "all"
}

// open builds the parts and starts those that work without SQL. When SQL is
// away the door takes leads from the last snapshot, and the rest follows as
// soon as SQL is back.
func open(ctx context.Context, c config, log *slog.Logger) (*house, error) {
	h := &house{c: c, log: log, mux: http.NewServeMux(), started: time.Now()}
	if err := h.build(ctx); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *house) build(ctx context.Context) (err error) {
	if err := h.c.prepareFolder(); err != nil {
		return err
	}
	if err := h.c.notMoved(); err != nil {
		return err
	}
	if h.c.Role != "capture" {
		h.work.Go(func() { _, _ = thisBuild() }) // its sum is asked for when SQL is there: see noteStart
	}
	run, end := context.WithCancel(context.WithoutCancel(ctx))
	h.end = end
	if h.ring == nil {
		sealed, err := h.c.startsSealed()
		if err != nil {
			return err
		}
		if sealed {
			return h.buildSealed(ctx, run)
		}
	}
	if err := h.openKeys(ctx); h.c.waitsForService(err) {
		h.log.Warn("the keyring does not open", "error", err)
		return h.buildSealed(ctx, run)
	} else if err != nil {
		return err
	}
	if err := h.openFront(ctx, run); err != nil {
		return err
	}
	if h.c.Role == "capture" {
		h.work.Go(func() { h.keepTellingUses(run) })
		h.ready.Store(true)
		return nil
	}
	return h.openBehind(ctx, run)
}

// openFront opens the door and what it needs: no more than a door's keys.
func (h *house) openFront(ctx, run context.Context) error {
	h.openFirewall()
	h.limits = limits.New(h.c.rates(), h.door.LimitsSecret(), nil)
	if err := h.openJournal(ctx); err != nil {
		return err
	}
	h.shareLimits(run)
	return h.openDoor(ctx)
}

// openBehind opens what is behind the door.
func (h *house) openBehind(ctx, run context.Context) error {
	if err := errors.Join(h.openLedger(ctx), h.openLog(ctx)); err != nil {
		return err
	}
	return h.openSQL(ctx, run)
}

// openSQL builds what stands on SQL and starts it, now or when SQL is there.
func (h *house) openSQL(ctx, run context.Context) (err error) {
	if h.db, err = store.Open(ctx, h.storeOptions()); err != nil {
		return err
	}
	if err := h.buildStages(ctx); err != nil {
		return err
	}
	if h.role("web") {
		if err := h.buildDoors(); err != nil {
			return err
		}
	}
	h.work.Go(func() { h.keepRevoking(run) })
	h.work.Go(func() { h.keepReading(run) })
	if h.capture != nil {
		h.work.Go(func() { h.keepTellingUses(run) })
	}
	if !h.tryStart(ctx, run) {
		h.work.Go(func() { h.keepTrying(run) })
	}
	return nil
}

func (h *house) storeOptions() store.Options {
	o := h.c.storeOptions()
	o.Log = h.log
	return o
}

func (h *house) openKeys(ctx context.Context) (err error) {
	if h.ring != nil { // it was unlocked
		h.door = h.ring.Door()
		return nil
	}
	o := h.c.keyringOptions()
	if h.c.Role == "capture" {
		if h.door, err = keyring.OpenDoor(o); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: write it where the keyring is, with catchment keys door", err)
		}
		return err
	}
	fresh := !exists(filepath.Join(h.c.Data, keyring.KeyringFile))
	if fresh {
		if o.MustExist, err = h.c.hasAccounts(ctx); err != nil {
			return fmt.Errorf("there is no keyring in %s yet, and whether the database has accounts of an older one cannot be told: %w", h.c.Data, err)
		}
	}
	if h.ring, err = keyring.Open(o); err != nil {
		return err
	}
	h.door = h.ring.Door()
	if fresh && h.ring.NeedsService() {
		return h.ring.KeepDoor()
	}
	return nil
}

// keepKeysets has accounts' keys serve for as long as the settings say.
func (h *house) keepKeysets() {
	if h.c.KMSKeep > 0 {
		h.accounts.Keep(h.c.KMSKeep)
	}
}

// hasAccounts tells whether anything was ever sealed for this database. A new
// keyring beside it would open nothing and seal what the old one cannot open.
func (c config) hasAccounts(ctx context.Context) (bool, error) {
	o := c.storeOptions()
	if c.DatabaseURL == "" && !exists(o.Path) {
		return false, nil
	}
	if have, _, err := store.Versions(ctx, o); err != nil || have == 0 {
		return false, err
	}
	db, err := store.Open(ctx, o)
	if err != nil {
		return false, err
	}
	defer db.Close()
	var list []setup.Account
	err = db.ReadDirectory(ctx, func(d *store.Dir) error {
		list, err = setup.Accounts(d, nil, 1)
		return err
	})
	return len(list) > 0, err
}

func (c config) keyringOptions() keyring.Options {
	o := keyring.Options{Dir: c.Data, IdentityFile: c.Identity, KeyService: c.kms(), Connect: c.connect}
	if c.PassphraseFile != "" {
		o.Passphrase = func() (string, error) {
			text, err := os.ReadFile(c.PassphraseFile)
			return string(trimNewline(text)), err
		}
		return o
	}
	if needs, err := keyring.NeedsPassphrase(c.Data); err != nil || !needs {
		return o // opening it says what is wrong
	}
	if c.Ask != nil {
		o.Passphrase = c.Ask
	} else if ask, ok := askAtTerminal(); ok {
		o.Passphrase = ask
	}
	return o
}

func trimNewline(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

func (h *house) openJournal(ctx context.Context) (err error) {
	o := h.c.journalOptions()
	o.Logger = h.log
	o.Seal = func(stream string, seq uint64, size int, root [32]byte) ([]byte, string, error) {
		sign := h.door.ReceiptSigner() // it is rotated while we serve
		return sign.Sign(signedMessage(stream, seq, size, root)), sign.KeyID, nil
	}
	h.journal, err = journal.Open(ctx, o)
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == noStorage {
		return fmt.Errorf("%w: the NATS server has less than %d GiB to give; start with a lower --nats-storage", err, h.c.NATSStorage)
	}
	if err != nil {
		return err
	}
	return h.c.noteLoss(h.journal, h.started)
}

// journalOptions are the same for all who open the journal: an external one
// takes its limits from whoever came last.
func (c config) journalOptions() journal.Options {
	o := journal.Options{URL: c.NATSURL, CA: c.NATSCA, Cert: c.NATSCert, Key: c.NATSKey, Replicas: c.NATSReplicas, Watermark: c.Watermark << 20}
	if c.NATSURL == "" {
		o.Dir = filepath.Join(c.Data, "journal")
	} else {
		o.MaxBytes = c.NATSStorage << 30
	}
	return o
}

// noStorage is JetStream's JSStorageResourcesExceededErr.
const noStorage jetstream.ErrorCode = 10047

// openDoor starts the snapshot, which tells every role which keys are revoked,
// and what the door needs besides.
func (h *house) openDoor(ctx context.Context) error {
	h.tellContact()
	bucket, err := h.journal.Bucket(ctx, "snapshot")
	if err != nil {
		return err
	}
	h.snapshot = snapshot.NewReader(bucket, h.door.OpenSnapshot, h.log)
	h.snapshot.Start()
	h.stops = append(h.stops, h.snapshot.Stop)
	h.limits.Know(h.ownLimits)
	h.knowsRevoked(ctx)
	if !h.role("capture") {
		return nil
	}
	h.sealer = keyring.NewSealer(h.snapshot.DropBox)
	h.capture, err = capture.New(capture.Options{Journal: h.journal, Snapshot: h.snapshot, Sealer: h.sealer, Keys: h.receiptKeys, Limits: h.limits, Unknown: h.unknown, Log: h.log, Firewall: h.firewall})
	if err != nil {
		return err
	}
	if err := h.capture.Rebuild(ctx); err != nil {
		return fmt.Errorf("rebuild the window of idempotency keys: %w", err)
	}
	h.capture.Register(h.mux)
	return nil
}

// buildStages makes the parts that turn a submission into a lead and offer it.
func (h *house) buildStages(ctx context.Context) error {
	h.jobs = jobs.NewList(h.journal)
	h.events = events.NewLog(h.journal)
	h.feed = events.NewFeed(h.db, h.journal, h.log)
	h.accounts = keyring.NewAccounts(h.ring, func(ctx context.Context, id account.ID) ([]byte, error) {
		if h.ledger.Account(id) {
			return nil, keyring.ErrGone
		}
		return directory.LoadKeyset(ctx, h.db, id)
	})
	safe, err := h.journal.Safe(ctx, "grants")
	if err != nil {
		return err
	}
	h.grants = keyring.NewGrants(h.ring, safe)
	h.keepKeysets()
	bucket, err := h.journal.Bucket(ctx, "snapshot")
	if err != nil {
		return err
	}
	h.writer = snapshot.NewWriter(bucket, h.ring.SealSnapshot)
	h.publisher = publish.New(publish.Options{
		DB: h.db, Jobs: h.jobs, Writer: h.writer, Log: h.log,
		Keys:     func(ctx context.Context, id account.ID) (publish.Keys, error) { return h.accounts.Renew(ctx, id) },
		Accounts: h.scopes,
	})
	h.directory = directory.New(directory.Options{
		DB: h.db, Keys: ringForDirectory{h}, Waker: h.journal, Log: h.log, Changed: h.publisher.Changed, Record: record, DeviceEnded: h.deviceEnded, PushesEnded: h.pushesEnded, Tombstones: tombstones{h}, Gone: h.ledger.Account,
		OperatorNetworks: h.c.operatorNetworks(), Refused: func(p directory.Principal) { h.signin.Refused(p) }, Unknown: h.unknown,
	})
	if err := h.hireCouriers(); err != nil {
		return err
	}
	if h.signin, err = h.newSignin(); err != nil {
		return err
	}
	h.intake = intake.New(intake.Options{
		DB: h.db, Accounts: h.accounts, Opener: keyring.NewDropOpener(), Jobs: h.jobs, Events: h.events, Stream: h.journal.Stream(), Ledger: h.ledger, Log: h.log, Firewall: h.firewall, Texts: h.opener(),
	})
	if err := h.openFiles(ctx); err != nil {
		return err
	}
	h.privacy = h.newPrivacy()
	h.concerns = h.newConcerns()
	h.routing = routing.New(routing.Options{DB: h.db, Jobs: h.jobs, Events: h.events, Log: h.log})
	if h.notify, err = h.newNotifier(); err != nil {
		return err
	}
	// SQLite belongs to the one process that has the folder's lock, see lockSQL.
	h.runner = jobs.NewRunner(h.db, h.jobs, h.log, jobs.RunnerOptions{Alone: h.db.Engine() == store.SQLite})
	h.publisher.Register(h.runner)
	h.routing.Register(h.runner)
	h.notify.Register(h.runner)
	h.privacy.Register(h.runner)
	h.filing.Register(h.runner)
	h.runner.Handle(intake.ReplayJob, h.intake.HandleReplay)
	h.runner.Handle(intake.InspectJob, h.intake.HandleInspect)
	h.sequencer = events.NewSequencer(h.db, h.journal, h.log)
	h.tree = h.newTree()
	if err := errors.Join(h.openOutside(ctx), h.openShipper(ctx)); err != nil {
		return err
	}
	h.carrier = h.newCarrier()
	h.carrier.Register(h.runner)
	h.insight = insight.New(h.db, h.feed, h.log)
	h.watcher = insight.NewWatcher(insight.WatcherOptions{DB: h.db, Jobs: h.jobs, Events: h.events, Log: h.log})
	h.watcher.Register(h.runner)
	h.insight.Tell(h.watcher)
	h.webhooks = h.newWebhooks()
	return nil
}

// buildDoors puts the API on the mux.
func (h *house) buildDoors() error {
	api := web.New(web.Options{DB: h.db, Auth: h.directory, Log: h.log, Version: version, Mux: h.mux, Limits: h.limits, Pressure: h.journal.Pressure, OperatorNetworks: h.c.operatorNetworks(),
		Closed: func() bool { return !h.replayed.Load() },
		MAC:    func(text string) [32]byte { return h.ring.TokenMAC("request", text) }})
	opener := h.opener()
	if h.c.Outbox != nil {
		h.mux.Handle("GET /demo/outbox", h.c.Outbox)
	}
	h.desk = desk.New(desk.Parts{
		API: api, DB: h.db, Directory: h.directory, Signin: h.signin, Auth: h.directory, Routing: h.routing, Notify: h.notify, PushKey: h.ring.PushKey().Public(),
		Followup: followup.New(h.events, h.jobs, h.accounts), Filing: h.filing, FilesRoom: h.c.FilesRoom << 20, Persons: h.intake, Opener: opener, Feed: h.feed, Log: h.log,
		SignReceipt: func(at time.Time, message []byte) ([]byte, string) {
			s := h.ring.ReceiptSignerAt(at)
			return s.Sign(message), s.KeyID
		},
	})
	console.New(console.Parts{
		API: api, DB: h.db, Directory: h.directory, Signin: h.signin, Routing: h.routing, Watcher: h.watcher, Events: h.events, Replayer: h.intake, Carrier: h.carrier, Opener: opener, Privacy: h.privacy, Mail: h.mail, Webhooks: h.webhooks,
		Limits: h.limits, Tree: h.tree, PublicURL: h.c.publicURL(), Images: publish.NewImages(h.jobs, h.events), Filing: h.filing, FilesRoom: h.c.FilesRoom << 20, FilesURL: h.c.filesURL(), Log: h.log, EndProof: h.endProof, Ended: h.ended,
	})
	h.operate(api)
	h.page = page.New(h.filing)
	h.page.Register(h.mux)
	screens, err := app.New(h.c.FilesOrigin)
	if err != nil {
		return err
	}
	screens.Register(h.mux)
	h.mux.HandleFunc("GET "+recordKeysPath, h.recordKeys)
	api.Describe(web.Fragment(capture.OpenAPI()))
	return api.ServeDocument()
}

// tryStart starts what stands on SQL; false when SQL is away.
func (h *house) tryStart(ctx, run context.Context) bool {
	from, to, err := store.Migrate(ctx, h.storeOptions())
	if err == nil {
		err = h.noteStart(ctx, from, to)
	}
	if err != nil {
		h.log.Warn("the database is not ready; leads are captured meanwhile", "error", err)
		return false
	}
	h.log.Debug("schema", "version", to)
	if err := h.replayLedger(ctx); err != nil {
		h.log.Warn("what was deleted could not be taken from this database; nothing is served from it", "error", err)
		return false
	}
	if err := h.rewindAfterRestore(ctx); err != nil {
		h.log.Warn("the journal could not be begun again after the restore", "error", err)
		return false
	}
	if err := h.checkCursor(ctx); err != nil {
		h.log.Warn("the journal's place in the database cannot be read", "error", err)
		return false
	}
	if err := h.publisher.PublishAll(ctx); err != nil {
		h.log.Warn("the doors' snapshot could not be published", "error", err)
		return false
	}
	if h.role("work") {
		if err := h.watchSources(ctx); err != nil {
			h.log.Warn("the sources could not be watched", "error", err)
			return false
		}
		h.sequencer.Start()
		h.tree.Start()
		h.runner.Start()
		h.insight.Start()
		h.webhooks.Start()
		h.work.Go(func() { h.takeIn(run) })
		h.work.Go(func() { h.hearUses(run) })
		h.work.Go(func() { h.tidy(run) })
		h.work.Go(func() { h.indexPhones(run) })
		h.work.Go(func() { h.analyze(run) })
		h.work.Go(func() { h.keepScrubbing(run) })
		h.work.Go(func() { h.keepBackingUp(run) })
		if h.shipper != nil {
			h.work.Go(func() { h.shipper.keep(run) })
		}
		if h.outside != nil {
			h.work.Go(func() { h.outside.keep(run) })
		}
	}
	if h.logs != nil {
		h.work.Go(func() { h.keepLog(run) })
	}
	h.ready.Store(true)
	return true
}

func (h *house) keepTrying(run context.Context) {
	for wait := time.Second; ; wait = min(2*wait, 10*time.Second) {
		select {
		case <-run.Done():
			return
		case <-time.After(wait):
		}
		if h.tryStart(run, run) {
			h.log.Info("the database is back")
			return
		}
	}
}

// checkCursor compares the journal with what SQL took from it. A journal that
// went back would give new leads numbers that SQL has passed.
func (h *house) checkCursor(ctx context.Context) error {
	seq, err := h.directory.Cursor(ctx, h.journal.Stream())
	if err != nil {
		return err
	}
	if last := h.journal.LastSeq(); seq > last {
		h.log.Error("THE JOURNAL WENT BACK: the database has taken more than it holds; run catchment doctor", "journal", last, "cursor", seq)
		return h.journal.RaiseTo(ctx, seq)
	}
	return nil
}

// watchSources has every account's sources looked at: an account of an older
// program has no such job yet.
func (h *house) watchSources(ctx context.Context) error {
	all, err := h.scopes(ctx)
	for _, s := range all {
		if err == nil {
			err = h.db.Write(ctx, s, h.watcher.Wanted)
		}
	}
	return err
}

// takeIn feeds intake from the journal for as long as the house stands.
func (h *house) takeIn(run context.Context) {
	for run.Err() == nil {
		err := h.intake.Run(run, h.journal)
		if err == nil || run.Err() != nil {
			return
		}
		h.log.Warn("intake stopped and starts again", "error", err)
		select {
		case <-run.Done():
		case <-time.After(time.Second):
		}
	}
}

// close ends everything in the opposite order of starting; what was taken is
// finished or stays in the journal and the work list.
func (h *house) close() {
	h.draining.Store(true)
	h.closeSQL()
	h.closeDoor()
}

// closeSQL ends what stands on SQL; the door works on. It gives the name of the
// log that a move follows when every change is in it.
func (h *house) closeSQL() (log string) {
	if h.desk != nil {
		h.desk.Close()
	}
	if h.end != nil {
		h.end()
	}
	h.work.Wait() // also for a start that was under way
	if h.ready.Load() && h.runner != nil && h.role("work") {
		h.webhooks.Stop()
		h.insight.Stop()
		h.runner.Stop()
		h.sequencer.Stop()
	}
	if h.signin != nil {
		h.signin.Close()
	}
	if h.notify != nil {
		h.notify.Close()
	}
	h.dismissCouriers()
	if h.directory != nil {
		h.directory.Close()
	}
	if h.ready.Load() && h.tree != nil && h.role("work") {
		h.tree.Stop() // last: what the others wrote is signed
		if h.outside != nil {
			h.outside.stop()
		}
		if h.shipper != nil {
			h.shipper.stop() // what all of them wrote
		}
	}
	log = h.unfollow()
	if h.db != nil {
		h.db.Close()
	}
	return log
}

func (h *house) closeDoor() {
	for i := len(h.stops) - 1; i >= 0; i-- {
		h.stops[i]()
	}
	if h.ledger != nil {
		if err := h.ledger.Close(); err != nil {
			h.log.Warn("the deletion ledger did not close", "error", err)
		}
	}
	if h.journal != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := h.journal.Close(ctx); err != nil {
			h.log.Warn("the journal did not close in time; the next start checks it whole", "error", err)
		}
	}
	if h.sealer != nil {
		h.sealer.Close()
	}
}

// scopes admits the house to every account, for what it does for each.
func (h *house) scopes(ctx context.Context) (out []account.Scope, err error) {
	err = h.eachAccount(ctx, func(id account.ID) error {
		out = append(out, admit.To(id))
		return nil
	})
	return out, err
}

func (h *house) eachAccount(ctx context.Context, f func(account.ID) error) error {
	const page = 500
	for after := (*setup.Account)(nil); ; {
		list, err := h.directory.Accounts(ctx, after, page)
		if err != nil {
			return err
		}
		for _, a := range list {
			if err := f(a.ID); err != nil {
				return err
			}
		}
		if len(list) < page {
			return nil
		}
		after = &list[len(list)-1]
	}
}

// deviceEnded tells a device that was revoked, as soon as the transaction is
// committed: over the live stream here.
func (h *house) deviceEnded(tx *store.Tx, at time.Time, user account.UserID, id account.DeviceID, why string) error {
	h.events.Emit(tx, events.Event{Kind: events.DeviceRevoked, At: at, User: user, Data: map[string]any{"device_id": id, "reason": why}})
	return nil
}

// unknown puts on the platform's record that a request was refused whose sender
// nobody knows; a process that only captures has no record.
func (h *house) unknown(why string) {
	for next := h.heir.Load(); next != nil; next = h.heir.Load() { // the door outlives a house
		h = next
	}
	if h.signin != nil {
		h.signin.Unknown(why)
	}
}

func record(tx *store.Tx, at time.Time, actor, action, about string) error {
	return audit.Write(tx, at, audit.Entry{Actor: actor, Action: action, About: about})
}
