package policies

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Backtest is a trial of a policy on the rounds that were saved.
type Backtest struct {
	ID          account.BacktestID
	Policy      account.PolicyID
	Pool        account.PoolID
	State       string // running, done, cancelled, failed
	By          string // the actor who began it
	From, Until time.Time
	Rounds      int64  // to decide again
	Done        int64  // of those
	Result      string // JSON; "" until it is done
	CreatedAt   time.Time
	FinishedAt  time.Time // zero: it runs
}

// The states of a back-test.
const (
	TestRunning   = "running"
	TestDone      = "done"
	TestCancelled = "cancelled"
	TestFailed    = "failed" // a saved round cannot be read
)

const testColumns = `backtest_id, policy_id, pool_id, state, by_actor, from_at, until_at, rounds, rounds_done, coalesce(result, ''), created_at, finished_at`

var (
	testAdd = store.Register("policies.test_add", `INSERT INTO backtest (account_id, backtest_id, policy_id, pool_id, state, by_actor, from_at, until_at,
		rounds, rounds_done, created_at) VALUES ($1, $2, $3, $4, 'running', $5, $6, $7, $8, 0, $9) ON CONFLICT DO NOTHING`)
	testGet  = store.Register("policies.test_get", `SELECT `+testColumns+` FROM backtest WHERE account_id = $1 AND backtest_id = $2`)
	testList = store.Register("policies.test_list", `SELECT `+testColumns+` FROM backtest
		WHERE account_id = $1 AND (created_at, backtest_id) < ($2, $3) ORDER BY created_at DESC, backtest_id DESC LIMIT $4`)
	testProgress = store.Register("policies.test_progress", `UPDATE backtest SET rounds_done = $3
		WHERE account_id = $1 AND backtest_id = $2 AND state = 'running'`)
	testEnd = store.Register("policies.test_end", `UPDATE backtest SET state = $3, rounds_done = $4, result = $5, finished_at = $6
		WHERE account_id = $1 AND backtest_id = $2 AND state = 'running'`)
)

// AddBacktest stores one that runs. False: another of its pool runs.
func AddBacktest(tx *store.Tx, b Backtest) (bool, error) {
	n, err := tx.Exec(testAdd, b.ID, b.Policy, b.Pool, b.By, store.Micro(b.From), store.Micro(b.Until), b.Rounds, store.Micro(b.CreatedAt))
	return n == 1, err
}

// GetBacktest reads one; store.ErrNone when there is none.
func GetBacktest(tx *store.Tx, id account.BacktestID) (Backtest, error) {
	return scanTest(tx.Row(testGet, id).Scan)
}

// ListBacktests gives up to limit after the place, newest first. The zero time
// is the beginning.
func ListBacktests(tx *store.Tx, at time.Time, after account.BacktestID, limit int) (out []Backtest, err error) {
	from := at.UnixMicro()
	if at.IsZero() {
		from, after = int64(1)<<62, account.NewBacktestID()
	}
	rows, err := tx.Query(testList, from, after, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		b, err := scanTest(scan)
		out = append(out, b)
		return err
	})
	return out, err
}

// Tested notes how many rounds were decided again. False: it does not run.
func Tested(tx *store.Tx, id account.BacktestID, rounds int64) (bool, error) {
	n, err := tx.Exec(testProgress, id, rounds)
	return n == 1, err
}

// EndBacktest ends one that runs, with its result or "". False: it had ended.
func EndBacktest(tx *store.Tx, id account.BacktestID, state string, rounds int64, result string, at time.Time) (bool, error) {
	var kept any
	if result != "" {
		kept = result
	}
	n, err := tx.Exec(testEnd, id, state, rounds, kept, store.Micro(at))
	return n == 1, err
}

func scanTest(s func(...any) error) (b Backtest, err error) {
	err = s(&b.ID, &b.Policy, &b.Pool, &b.State, &b.By, store.Time(&b.From), store.Time(&b.Until), &b.Rounds, &b.Done, &b.Result,
		store.Time(&b.CreatedAt), store.Time(&b.FinishedAt))
	return b, err
}
