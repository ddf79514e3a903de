package signin

// Settled reports whether it is decided of every code asked for whether it goes
// out.
func (s *Signin) Settled() bool { return s.queued.Load() == 0 }

// The bounds, for tests.
const (
	CodeTries    = codeTries
	CodePause    = codePause
	NumberHour   = numberHour
	PrefixHour   = prefixHour
	AccountLeast = accountLeast
	AlarmLeast   = alarmLeast
	NetworkAsks  = networkAsks
	NetworkFails = networkFails
)

// TooOften and Device are tried by themselves.
var (
	TooOften  = tooOften
	SixDigits = sixDigits
	Device    = device
)

// Reaches is tried by itself.
var Reaches = reaches
