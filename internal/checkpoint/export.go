package checkpoint

// An exported record is lines of JSON: one begin, then entries in the order of
// their places with each checkpoint after the last entry that it signs, then
// strays, and one end.

// Begin is the first line.
type Begin struct {
	Kind    string `json:"kind"` // "begin"
	Format  string `json:"format"`
	Account string `json:"account"`
	From    uint64 `json:"from"`  // the place of the first entry
	Peaks   []Hash `json:"peaks"` // of the tree before it, which the checkpoint that follows has signed
	Size    uint64 `json:"size"`  // of the tree after the last entry
}

// EntryLine is an entry at its place; a stray has none.
type EntryLine struct {
	Kind     string `json:"kind"` // "entry" or "stray"
	Position uint64 `json:"position"`
	LeafHash Hash   `json:"leaf"` // as the tree has it
	Entry
}

// Gone is an entry whose payload a rule has dropped.
type Gone struct {
	Kind     string `json:"kind"` // "dropped"
	Position uint64 `json:"position"`
	LeafHash Hash   `json:"leaf"`
	ID       string `json:"id"`
	At       string `json:"at"`
	Writer   string `json:"writer"`
	N        uint64 `json:"n"`
	Prev     Hash   `json:"prev"`
	Payload  Hash   `json:"payload"`
}

// Missing is a place of the tree whose entry is not in the database.
type Missing struct {
	Kind     string `json:"kind"` // "missing"
	Position uint64 `json:"position"`
	LeafHash Hash   `json:"leaf"`
	ID       string `json:"id"`
}

// Noted is a checkpoint.
type Noted struct {
	Kind string `json:"kind"` // "checkpoint"
	Note string `json:"note"`
}

// End is the last line: without it the file is cut.
type End struct {
	Kind    string `json:"kind"`    // "end"
	Entries uint64 `json:"entries"` // lines of kind entry, dropped and missing
	Strays  uint64 `json:"strays"`
}
