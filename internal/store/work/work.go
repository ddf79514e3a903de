// Package work is the SQL of the work list (table job).
package work

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

var (
	add = store.Register("work.add", `INSERT INTO job (account_id, kind, key, run_at, rev, tries, leased_until, error, created_at)
		VALUES ($1, $2, $3, $4, 1, 0, 0, '', $5)
		ON CONFLICT (account_id, kind, key) DO UPDATE SET rev = job.rev + 1,
			run_at = CASE WHEN excluded.run_at < job.run_at THEN excluded.run_at ELSE job.run_at END`)
	remove = store.Register("work.remove", `DELETE FROM job
		WHERE account_id = $1 AND kind = $2 AND key = $3 AND rev = $4 AND lease = $5`)
	plan = store.Register("work.plan", `UPDATE job SET run_at = $6, leased_until = 0, lease = 0, tries = 0, error = ''
		WHERE account_id = $1 AND kind = $2 AND key = $3 AND rev = $4 AND lease = $5`)
	release = store.Register("work.release", `UPDATE job SET run_at = $5, leased_until = 0, lease = 0, tries = 0, error = ''
		WHERE account_id = $1 AND kind = $2 AND key = $3 AND lease = $4`)
	failed = store.Register("work.failed", `SELECT kind, key, run_at, tries, error, created_at FROM job
		WHERE account_id = $1 AND error <> '' AND (kind, key) > ($2, $3) ORDER BY kind, key LIMIT $4`)

	said = store.Register("work.said", `SELECT key, created_at, error FROM job
		WHERE account_id = $1 AND kind = $2 AND substr(key, 1, 32) = $3 ORDER BY key`)
	unsay = store.Register("work.unsay", `DELETE FROM job WHERE account_id = $1 AND kind = $2 AND substr(key, 1, 32) = $3`)

	due = store.Unbound("work.due", `SELECT account_id, kind, key, rev, tries FROM job
		WHERE run_at <= $1 AND leased_until <= $1 ORDER BY run_at LIMIT $2`)
	next  = store.Unbound("work.next", `SELECT run_at FROM job WHERE run_at > $1 ORDER BY run_at LIMIT 1`)
	claim = store.Unbound("work.claim", `UPDATE job SET leased_until = $5, run_at = $5, lease = $4, tries = tries + 1
		WHERE account_id = $1 AND kind = $2 AND key = $3 AND run_at <= $6 AND leased_until <= $6
		RETURNING rev, tries - 1`)
	renew = store.Unbound("work.renew", `UPDATE job SET leased_until = $5,
		run_at = CASE WHEN run_at = leased_until THEN $5 ELSE run_at END
		WHERE account_id = $1 AND kind = $2 AND key = $3 AND lease = $4`)
	postpone = store.Unbound("work.postpone", `UPDATE job SET run_at = $5, leased_until = 0, lease = 0, error = $6
		WHERE account_id = $1 AND kind = $2 AND key = $3 AND lease = $4`)
	unlease = store.Unbound("work.unlease", `UPDATE job SET leased_until = 0, lease = 0, run_at = CASE WHEN run_at < $1 THEN run_at ELSE $1 END
		WHERE leased_until > $1`)
	overdue = store.Unbound("work.overdue", `SELECT count(*), COALESCE(min(run_at), 0) FROM job WHERE run_at <= $1 AND leased_until <= $1`)
)

// Job is a row as the runner needs it.
type Job struct {
	Account   account.ID
	Kind, Key string
	Rev       int64 // counts the times it was asked for
	Tries     int   // times it was begun since it was last done
	Lease     int64 // of the claim
}

// Add asks for a job, once more if it is there already: it then runs at the
// earlier of the two times.
func Add(tx *store.Tx, kind, key string, runAt, now time.Time) error {
	return tx.Must(add, kind, key, runAt.UnixMicro(), now.UnixMicro())
}

// Remove deletes a job that nobody asked for since it was claimed.
func Remove(tx *store.Tx, j Job) (bool, error) {
	n, err := tx.Exec(remove, j.Kind, j.Key, j.Rev, j.Lease)
	return n == 1, err
}

// Plan sets the job's next time if nobody asked for it since it was claimed.
func Plan(tx *store.Tx, j Job, at time.Time) (bool, error) {
	n, err := tx.Exec(plan, j.Kind, j.Key, j.Rev, j.Lease, at.UnixMicro())
	return n == 1, err
}

// Release ends the lease; the job is due at the given time. False: the lease
// was lost.
func Release(tx *store.Tx, j Job, at time.Time) (bool, error) {
	n, err := tx.Exec(release, j.Kind, j.Key, j.Lease, at.UnixMicro())
	return n == 1, err
}

// Failure is a job that did not succeed so far.
type Failure struct {
	Kind, Key string
	Tries     int
	Error     string
	Next      time.Time // when it is tried again
	Since     time.Time
}

// Failed lists an account's failing jobs by kind and key, after the given ones.
func Failed(tx *store.Tx, kind, key string, limit int) (out []Failure, err error) {
	rows, err := tx.Query(failed, kind, key, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var f Failure
		if err := scan(&f.Kind, &f.Key, store.Time(&f.Next), &f.Tries, &f.Error, store.Time(&f.Since)); err != nil {
			return err
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

// Said is a job whose key is an id of 31 characters, a space, and what was said
// of it.
type Said struct {
	Key   string
	Since time.Time
	Error string // why it did not succeed so far
}

// SaidOf lists the jobs of that kind which are about the id.
func SaidOf(tx *store.Tx, kind, id string) (out []Said, err error) {
	rows, err := tx.Query(said, kind, id+" ")
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Said
		if err := scan(&s.Key, store.Time(&s.Since), &s.Error); err != nil {
			return err
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

// Unsay takes them off the list. One that runs at this moment loses its lease.
func Unsay(tx *store.Tx, kind, id string) error {
	_, err := tx.Exec(unsay, kind, id+" ")
	return err
}

// Due lists jobs of any account that may begin, the longest due first, and
// when the next one after now is due (zero: none).
func Due(d *store.Dir, now time.Time, limit int) (jobs []Job, nextAt time.Time, err error) {
	rows, err := d.Query(due, now.UnixMicro(), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var j Job
		if err := scan(&j.Account, &j.Kind, &j.Key, &j.Rev, &j.Tries); err != nil {
			return err
		}
		jobs = append(jobs, j)
		return nil
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	err = d.Row(next, now.UnixMicro()).Scan(store.Time(&nextAt))
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return jobs, nextAt, err
}

// Claim leases a job that was found due, and gives it as it is now: what was
// asked for again since it was found is part of it. False: somebody else has
// it, or it is not due any more.
func Claim(d *store.Dir, j Job, now, until time.Time) (Job, bool, error) {
	err := d.Row(claim, j.Account, j.Kind, j.Key, j.Lease, until.UnixMicro(), now.UnixMicro()).Scan(&j.Rev, &j.Tries)
	if errors.Is(err, store.ErrNone) {
		return j, false, nil
	}
	return j, err == nil, err
}

// Renew keeps a lease. False: it was lost, or the job is settled.
func Renew(d *store.Dir, j Job, until time.Time) (bool, error) {
	n, err := d.Exec(renew, j.Account, j.Kind, j.Key, j.Lease, until.UnixMicro())
	return n == 1, err
}

// Unlease ends every lease that runs at now, whoever has it, and returns how
// many: their jobs are due.
func Unlease(d *store.Dir, now time.Time) (int64, error) {
	return d.Exec(unlease, now.UnixMicro())
}

// Postpone ends a lease without success.
func Postpone(d *store.Dir, j Job, at time.Time, why string) error {
	_, err := d.Exec(postpone, j.Account, j.Kind, j.Key, j.Lease, at.UnixMicro(), why)
	return err
}

// Overdue counts the jobs that could run now and says since when the oldest could.
func Overdue(d *store.Dir, now time.Time) (n int, oldest time.Time, err error) {
	err = d.Row(overdue, now.UnixMicro()).Scan(&n, store.Time(&oldest))
	return n, oldest, err
}
