package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"

	"catchment/internal/store"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// config is everything that can be set, by flag, by environment
// (CATCHMENT_DATABASE_URL for --database-url) or in the YAML file. It is
// useful when empty.
type config struct {
	Data             string `help:"Folder for journal, database and keys." default:"./data" env:"CATCHMENT_DATA" type:"path"`
	Listen           string `help:"Address of the doors." default:"127.0.0.1:8080" env:"CATCHMENT_LISTEN"`
	PublicURL        string `name:"public-url" help:"Where visitors reach the doors, as https://leads.example.com, for snippets and redirects; --listen when empty." env:"CATCHMENT_PUBLIC_URL"`
	Inner            string `help:"Address of health and metrics; empty for none." default:"127.0.0.1:9090" env:"CATCHMENT_INNER"`
	Role             string `help:"Which part to run: ${enum}. capture needs no database, and of keys only those that catchment keys door wrote into its data folder." enum:"all,capture,work,web" default:"all" env:"CATCHMENT_ROLE"`
	TLS              string `name:"tls" help:"Transport security of the doors: ${enum}. self makes an authority of its own in the data folder, files shows --tls-cert, acme gets certificates for --acme-domain." enum:"off,self,files,acme" default:"off" env:"CATCHMENT_TLS"`
	DatabaseURL      string `name:"database-url" help:"postgres://… instead of the embedded SQLite." env:"CATCHMENT_DATABASE_URL"`
	DatabaseOwnerURL string `name:"database-owner-url" help:"postgres://… of the role that may change the schema; the same as database-url when empty." env:"CATCHMENT_DATABASE_OWNER_URL"`
	NATSURL          string `name:"nats-url" help:"nats://… instead of the embedded JetStream." env:"CATCHMENT_NATS_URL"`
	NATSReplicas     int    `name:"nats-replicas" help:"Copies of the journal on an external cluster." default:"1" env:"CATCHMENT_NATS_REPLICAS"`
	NATSStorage      int64  `name:"nats-storage" help:"GiB that the journal may take on an external server; give every role the same." default:"100" env:"CATCHMENT_NATS_STORAGE"`
	Identity         string `help:"age identity file that opens the keyring; DATA/identity.txt, made at first start, when empty." env:"CATCHMENT_IDENTITY"`
	PassphraseFile   string `name:"passphrase-file" help:"File with the keyring's passphrase, instead of an identity file." env:"CATCHMENT_PASSPHRASE_FILE"`
	Watermark        int64  `help:"MiB of free disk under which no lead is taken; 0: a twentieth of the file system, between 32 and 1024." default:"0" env:"CATCHMENT_WATERMARK"`

	Ask func() (string, error) `kong:"-"` // for the keyring's passphrase, where it has one and no file has it

	logConfig
	edgeConfig
	contactConfig
	wireConfig
	kmsConfig
	limitsConfig
	firewallConfig
	courierConfig
	pushConfig
	backupConfig
	bucketConfig
	filesConfig
}

func (c config) storeOptions() store.Options {
	return store.Options{Path: filepath.Join(c.Data, "catchment.db"), URL: c.DatabaseURL, OwnerURL: c.DatabaseOwnerURL}
}

// check finds what the parser cannot: settings that do not go together.
func (c config) check() error {
	if err := c.checkEdge(); err != nil {
		return err
	}
	if err := c.checkContact(); err != nil {
		return err
	}
	if err := c.checkWires(); err != nil {
		return err
	}
	if err := c.checkLimits(); err != nil {
		return err
	}
	if err := c.checkFirewall(); err != nil {
		return err
	}
	if err := c.checkKMS(); err != nil {
		return err
	}
	if err := c.checkBackup(); err != nil {
		return err
	}
	if err := c.checkBucket(); err != nil {
		return err
	}
	if err := c.checkFiles(); err != nil {
		return err
	}
	if err := c.checkLog(); err != nil {
		return err
	}
	if _, err := c.pushHosts(); err != nil {
		return err
	}
	if c.NATSStorage < 1 || c.NATSStorage > 1<<20 {
		return usage("--nats-storage %d: want GiB, from 1 to 1048576", c.NATSStorage)
	}
	if c.NATSReplicas < 1 || c.NATSReplicas > 5 {
		return usage("--nats-replicas %d: want 1 to 5", c.NATSReplicas)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "") {
		return usage("--public-url %q: want a scheme and a host, for example https://leads.example.com", c.PublicURL)
	}
	if c.Role != "all" && c.NATSURL == "" {
		return usage("--role %s needs --nats-url: separate processes share the journal over NATS", c.Role)
	}
	if (c.Role == "work" || c.Role == "web") && c.DatabaseURL == "" {
		return usage("--role %s needs --database-url: SQLite belongs to one process", c.Role)
	}
	return nil
}

// yamlFile resolves flags from the file that --config or CATCHMENT_CONFIG
// names. Keys are the flags' names.
type yamlFile struct {
	args   []string
	values map[string]any
	path   string
	loaded bool
}

func (f *yamlFile) load() error {
	if f.loaded {
		return nil
	}
	f.loaded = true
	f.path = os.Getenv("CATCHMENT_CONFIG")
	for i, a := range f.args {
		if v, ok := strings.CutPrefix(a, "--config="); ok {
			f.path = v
		} else if a == "--config" && i+1 < len(f.args) {
			f.path = f.args[i+1]
		}
	}
	if f.path == "" {
		return nil
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("config file: %w", err)
	}
	if err := yaml.Unmarshal(text, &f.values); err != nil {
		return fmt.Errorf("config file %s: %w", f.path, err)
	}
	return nil
}

// Validate refuses keys that no setting has, and names the nearest one.
func (f *yamlFile) Validate(*kong.Application) error {
	if err := f.load(); err != nil {
		return err
	}
	known := settings()
	for key := range f.values {
		if !known[key] {
			return fmt.Errorf("config file %s: unknown key %q, did you mean %q?", f.path, key, nearest(key, known))
		}
	}
	return nil
}

// Resolve implements kong.Resolver. The environment goes before the file.
func (f *yamlFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if err := f.load(); err != nil {
		return nil, err
	}
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	v, ok := f.values[flag.Name]
	if !ok || flag.Name == "config" {
		return nil, nil
	}
	return fmt.Sprint(v), nil
}

func settings() map[string]bool {
	out := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[config]()) {
		if f.Anonymous || f.Tag.Get("kong") == "-" {
			continue
		}
		name := f.Tag.Get("name")
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		out[name] = true
	}
	return out
}

func nearest(word string, known map[string]bool) string {
	names := make([]string, 0, len(known))
	for n := range known {
		names = append(names, n)
	}
	sort.Strings(names)
	best, least := "", 1<<30
	for _, n := range names {
		if d := distance(word, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// prepareFolder makes the data folder, for its owner only.
func (c config) prepareFolder() error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}
