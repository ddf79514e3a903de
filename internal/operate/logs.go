package operate

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"catchment/internal/logbook"
	"catchment/internal/problem"
	"catchment/internal/store/approvals"
	"catchment/internal/web"
)

// LogLine is one line of the program's log.
type LogLine struct {
	ID        string                     `json:"id" doc:"Of the line, to tell two apart."`
	At        time.Time                  `json:"at"`
	Level     string                     `json:"level" enum:"info,warn,error"`
	Part      string                     `json:"part" doc:"Of the program; empty: the command, or a library." example:"intake"`
	Message   string                     `json:"message"`
	AccountID *string                    `json:"account_id" doc:"The account that it names."`
	RequestID *string                    `json:"request_id" doc:"The request that it is about."`
	Attrs     map[string]json.RawMessage `json:"attrs" nullable:"false" doc:"What else it says: ids, codes, counts, errors. Nothing personal."`
}

type logLinesIn struct {
	ApprovalPath
	web.Page
	From      string `query:"from" maxLength:"40" doc:"RFC 3339: from then on."`
	To        string `query:"to" maxLength:"40" doc:"RFC 3339: before then."`
	Level     string `query:"level" enum:"info,warn,error" doc:"The least level."`
	Part      string `query:"part" maxLength:"60" doc:"Only lines of this part."`
	AccountID string `query:"account_id" maxLength:"60" doc:"Only lines that name this account."`
	Request   string `query:"request" maxLength:"60" doc:"Only lines of the request of this id."`
}

func (p Parts) logLines(ctx context.Context, v *web.Visit, in *logLinesIn) (*web.List[LogLine], error) {
	id, err := web.PathID(in.ID, approvals.ParseID)
	if err != nil {
		return nil, err
	}
	start, err := in.Start()
	if err != nil {
		return nil, err
	}
	want := logbook.Want{Part: in.Part, Account: in.AccountID, Request: in.Request}
	if want.From, err = web.Instant("from", in.From); err != nil {
		return nil, err
	}
	if want.Until, err = web.Instant("to", in.To); err != nil {
		return nil, err
	}
	_ = want.Level.UnmarshalText([]byte(in.Level)) // the enum has been checked; none is INFO
	if p.Logs == nil {
		return nil, problem.Conflict("no_log", "This installation keeps no log (--log-to off).")
	}
	lines, next, err := p.Logs.Page(ctx, v.User, id, want, logbook.Place(start), in.Limit)
	if err != nil {
		return nil, err
	}
	out := &web.List[LogLine]{Items: make([]LogLine, len(lines))}
	for i, l := range lines {
		out.Items[i] = lineView(l)
	}
	if next != nil {
		out.NextCursor = web.Place(*next).Cursor()
	}
	return out, nil
}

func lineView(l logbook.Line) LogLine {
	return LogLine{ID: l.Name(), At: l.At, Level: levelWord(l.Level), Part: l.Part, Message: l.Message, AccountID: web.OrNull(l.Account), RequestID: web.OrNull(l.Request), Attrs: l.Attrs}
}

// levelWord is the nearest of the three.
func levelWord(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return strings.ToLower(slog.LevelError.String())
	case l >= slog.LevelWarn:
		return strings.ToLower(slog.LevelWarn.String())
	}
	return strings.ToLower(slog.LevelInfo.String())
}
