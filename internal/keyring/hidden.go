package keyring

// hidden keeps a secret where fmt, log/slog and encoders cannot reach it:
// behind a func. A pointer would not do: for a verb that does not fit, such as
// %s, fmt follows one that it otherwise prints as an address.
type hidden[T any] func() *T

func hide[T any](v *T) hidden[T] { return func() *T { return v } }
