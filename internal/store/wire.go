package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"catchment/internal/caller"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// InClear gives the first host of a PostgreSQL URL off this machine to which a
// connection could be made that is not encrypted, or whose server does not
// prove by its certificate to be that host (less than sslmode=verify-full, and
// what the mode falls back to counts); "" when there is none. The error does
// not repeat the URL, which may hold a password.
func InClear(url string) (host string, err error) {
	c, err := pgconn.ParseConfig(url)
	if err != nil {
		return "", errors.New("store: the database's URL cannot be read")
	}
	ways := []*pgconn.FallbackConfig{{Host: c.Host, TLSConfig: c.TLSConfig}}
	for _, w := range append(ways, c.Fallbacks...) {
		if !onThisMachine(w.Host) && (w.TLSConfig == nil || w.TLSConfig.InsecureSkipVerify) {
			return w.Host, nil
		}
	}
	return "", nil
}

func onThisMachine(host string) bool {
	return strings.HasPrefix(host, "/") || caller.Here(host) // a path is a socket's folder
}

// ServerCertificate connects to PostgreSQL and gives the certificate that it
// shows; nil when the connection is not encrypted.
func ServerCertificate(ctx context.Context, url string) (*x509.Certificate, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	secure, ok := conn.PgConn().Conn().(*tls.Conn)
	if !ok {
		return nil, nil
	}
	return secure.ConnectionState().PeerCertificates[0], nil
}
