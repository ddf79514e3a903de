package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/courier"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/ending"
	"catchment/internal/store/grants"
	"catchment/internal/store/members"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// Admins hear by e-mail of what must not wait until one of them signs in. A mail
// names the account and says where to look; of leads, and in the words of others,
// it says nothing, because it passes through other people's servers.
const (
	mailLife  = 3 * 24 * time.Hour // how long a mail is tried
	mailPause = time.Minute        // after the first failure, then longer
	mailLong  = time.Hour
	remindAt  = 48 * time.Hour // so long before an account ends its admins are reminded to export
)

// Mailer tries once to hand a message over. courier.Courier is one.
type Mailer interface {
	Try(ctx context.Context, m courier.Message) error
	Ready() bool
}

// mailKey is a job's key: what about, since when, and, of one letter, to whom.
type mailKey struct {
	kind  alarm.Kind
	about string
	word  alarm.Word
	since time.Time
	to    account.UserID // zero: to all, each by a job
}

func (k mailKey) String() string {
	s := alarm.MailKey(k.kind, k.about, k.word, k.since)
	if !k.to.IsZero() {
		s += "/" + k.to.String()
	}
	return s
}

func parseMailKey(text string) (k mailKey, err error) {
	p := strings.Split(text, "/")
	if len(p) < 4 || len(p) > 5 {
		return k, errors.New("notify: job: this is no mail")
	}
	var at int64
	if _, err := fmt.Sscanf(p[3], "%d", &at); err != nil {
		return k, errors.New("notify: job: this is no mail's time")
	}
	k = mailKey{kind: alarm.Kind(p[0]), about: p[1], word: alarm.Word(p[2]), since: time.UnixMicro(at)}
	if len(p) == 5 {
		k.to, err = account.ParseUserID(p[4])
	}
	return k, err
}

// mail is the job: one that is to all becomes one for each admin.
func (n *Notifier) mail(ctx context.Context, j jobs.Job) error {
	k, err := parseMailKey(j.Key)
	if err != nil || n.o.Mail == nil || !n.o.Mail.Ready() {
		return err // nobody carries mail from here
	}
	if k.to.IsZero() {
		return n.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
			if err := n.share(tx, k); err != nil {
				return err
			}
			return j.Done(tx)
		})
	}
	return n.letter(ctx, j, k)
}

// share adds a job for each admin, and the reminder of an end.
func (n *Notifier) share(tx *store.Tx, k mailKey) error {
	all, err := members.All(tx)
	for _, m := range all {
		if err == nil && m.Role == account.Admin && m.State == members.Active && !m.SealedEmail().Empty() {
			k.to = m.ID
			err = n.o.Jobs.Add(tx, alarm.MailJob, k.String(), n.now())
		}
	}
	if err != nil || k.word != alarm.Asked {
		return err
	}
	e, err := ending.Get(tx)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	k.to, k.word, k.since = account.UserID{}, alarm.Soon, e.DueAt.Add(-remindAt)
	if err == nil {
		err = n.o.Jobs.Add(tx, alarm.MailJob, k.String(), k.since)
	}
	return err
}

// letter writes to one admin. What a carrier does not take for now is tried
// again for three days; what it never takes is let go, and counted.
func (n *Notifier) letter(ctx context.Context, j jobs.Job, k mailKey) error {
	var to vault.Sealed
	var l text
	err := n.o.DB.Read(ctx, j.Scope, func(tx *store.Tx) error {
		m, err := members.Get(tx, k.to)
		if errors.Is(err, store.ErrNone) {
			return nil
		}
		if err != nil || m.Role != account.Admin || m.State != members.Active {
			return err // not theirs to know any more
		}
		to = m.SealedEmail()
		l, err = n.words(tx, k)
		return err
	})
	if err != nil || to.Empty() || l.subject == "" {
		return err
	}
	address, err := n.address(ctx, j.Scope, to)
	if err != nil {
		return err
	}
	err = n.o.Mail.Try(ctx, courier.Message{ID: k.String(), To: address, Text: vault.Hide(l.body), Subject: l.subject, Kind: courier.Notice})
	if err == nil || courier.Permanent(err) {
		return nil // the courier told of it
	}
	age := n.now().Sub(k.since)
	return n.later(ctx, j, k.since.Add(mailLife), min(max(age, mailPause), mailLong))
}

// address opens where a letter goes: on the record once, not for each try.
func (n *Notifier) address(ctx context.Context, s account.Scope, sealed vault.Sealed) (vault.Personal, error) {
	n.mu.Lock()
	p, ok := n.places[string(sealed.Data)]
	n.mu.Unlock()
	if ok {
		return p, nil
	}
	opened, err := n.o.Opener.Open(ctx, s, actor, vault.ForMail, sealed)
	if err != nil {
		return vault.Personal{}, err
	}
	p = opened.Values[0]
	n.mu.Lock()
	n.places[string(sealed.Data)] = p
	n.mu.Unlock()
	return p, nil
}

// text is a letter in both languages of the app: which one a user reads is
// known to their browser alone.
type text struct{ subject, body string }

func (n *Notifier) words(tx *store.Tx, k mailKey) (text, error) {
	a, err := setup.GetAccount(tx)
	if err != nil {
		return text{}, err
	}
	base := strings.TrimRight(n.o.PublicURL, "/") + "/app/console"
	switch k.kind {
	case alarm.Broken:
		id, err := account.ParseGrantID(k.about)
		if err != nil {
			return text{}, err
		}
		g, err := grants.Get(tx, id)
		if errors.Is(err, store.ErrNone) {
			return text{}, nil
		}
		page := base + "/grants?id=" + g.ID.String()
		if k.word == alarm.Ended {
			return both(brokenOver, a.Name, moment(g.EndedAt), base+"/openings?grant="+g.ID.String()), err
		}
		return both(broken, a.Name, g.Leads, moment(g.From), moment(g.Until), page), err
	case alarm.Ending:
		e, err := ending.Get(tx)
		gone := errors.Is(err, store.ErrNone)
		if err != nil && !gone {
			return text{}, err
		}
		switch {
		case k.word == alarm.Ended:
			return both(endingBack, a.Name, base+"/settings"), nil
		case gone || !e.StartedAt.IsZero() || k.word == alarm.Soon && n.now().Before(e.DueAt.Add(-remindAt)):
			return text{}, nil // it was taken back, or asked for anew
		case k.word == alarm.Soon:
			return both(endingSoon, a.Name, moment(e.DueAt), base+"/files"), nil
		}
		return both(endingAsked, a.Name, moment(e.DueAt), base+"/settings", base+"/files"), nil
	case alarm.Due, alarm.Late:
		id, err := lead.ParseRequestID(k.about)
		if err != nil {
			return text{}, err
		}
		r, err := people.RequestByID(tx, id)
		if errors.Is(err, store.ErrNone) || err == nil && (!r.FinishedAt.IsZero() || k.kind == alarm.Due && n.now().After(r.DueAt)) {
			return text{}, nil // it is answered, or another letter says more
		}
		l := requestDue
		if k.kind == alarm.Late {
			l = requestLate
		}
		return both(l, a.Name, moment(r.DueAt), base+"/requests?id="+r.ID.String()), err
	}
	return text{}, nil
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// template has a letter's subject, and its body in English and Arabic. The same
// words go into all of them.
type template struct{ subject, english, arabic string }

func both(t template, values ...any) text {
	return text{t.subject, fmt.Sprintf(t.english, values...) + "\n\n— — —\n\n" + fmt.Sprintf(t.arabic, values...) + "\n"}
}

var (
	broken = template{"Leads of your account were opened in an emergency · فُتح عملاء من حسابك في حالة طارئة",
		"Operators of the platform can open %[2]d leads of %[1]s, which it granted to nobody: from %[3]s until %[4]s. Several of them have approved it.\n\nWhy, what is opened, and to end it at once:\n%[5]s",
		"يستطيع مشغلو المنصة فتح %[2]d من عملاء %[1]s دون إذن منه: من %[3]s حتى %[4]s. وقد وافق على ذلك عدة منهم.\n\nالسبب، وما يُفتح، وإنهاؤه فورًا:\n%[5]s"}
	brokenOver = template{"The emergency access to your account has ended · انتهى وصول الطوارئ إلى حسابك",
		"Operators can open nothing of %[1]s any more, since %[2]s. The key of their access is destroyed.\n\nWhat was opened, by whom and when:\n%[3]s",
		"لم يعد بإمكان المشغلين فتح شيء من %[1]s منذ %[2]s، وأُتلف مفتاح وصولهم.\n\nما فُتح، ومن فتحه، ومتى:\n%[3]s"}
	endingAsked = template{"Your account is to end · سينتهي حسابك",
		"An admin of %[1]s has asked that it ends. On %[2]s its keys are destroyed and all of it is deleted, for good.\n\nTo take it back:\n%[3]s\n\nTo take everything out before:\n%[4]s",
		"طلب أحد المسؤولين في %[1]s إنهاءه. في %[2]s تُتلف مفاتيحه ويُحذف كله نهائيًا.\n\nللتراجع:\n%[3]s\n\nلتصدير كل شيء قبل ذلك:\n%[4]s"}
	endingSoon = template{"Your account ends soon: take out what you need · ينتهي حسابك قريبًا: صدّر ما تحتاجه",
		"%[1]s ends on %[2]s. After that nobody can bring back anything of it.\n\nTo take everything out before:\n%[3]s",
		"ينتهي %[1]s في %[2]s. بعد ذلك لا يستطيع أحد أن يعيد شيئًا منه.\n\nلتصدير كل شيء قبل ذلك:\n%[3]s"}
	requestDue = template{"Somebody waits for an answer about their data · شخص ينتظر ردًا بشأن بياناته",
		"A person asked %[1]s something about their own data, and has no answer yet. The law wants one by %[2]s.\n\nWhat they asked, and to answer it:\n%[3]s",
		"طلب شخص من %[1]s أمرًا بشأن بياناته ولم يتلقَّ ردًا بعد. يوجب القانون الرد قبل %[2]s.\n\nما طلبه، وللرد عليه:\n%[3]s"}
	requestLate = template{"An answer about somebody's data is overdue · تأخر الرد على طلب يخص بيانات شخص",
		"A person asked %[1]s something about their own data. An answer was due by %[2]s, and there is none.\n\nWhat they asked, and to answer it:\n%[3]s",
		"طلب شخص من %[1]s أمرًا بشأن بياناته. كان الرد مستحقًا قبل %[2]s، ولم يُرسل رد.\n\nما طلبه، وللرد عليه:\n%[3]s"}
	endingBack = template{"Your account goes on · حسابك باقٍ",
		"That %[1]s ends was taken back. Nothing was deleted.\n\n%[2]s",
		"تم التراجع عن إنهاء %[1]s. لم يُحذف شيء.\n\n%[2]s"}
)
