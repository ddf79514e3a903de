package web

import (
	"net/http"
	"time"

	"catchment/internal/problem"
	"catchment/internal/upload"
)

// Octets is what a file's body is sent as, whatever it is.
const Octets = "application/octet-stream"

// SentAsFile says what is wrong with the headers of a request whose body is a
// file, before any of it is read.
func SentAsFile(r *http.Request) error {
	switch {
	case r.Header.Get("Content-Encoding") != "":
		return problem.WrongType("Send the body without Content-Encoding.")
	case r.Header.Get("Content-Type") != Octets:
		return problem.WrongType("Send the file as it is, with Content-Type: %s: what it is shows in it.", Octets)
	case r.ContentLength > upload.MaxBytes:
		return upload.TooLarge()
	}
	return nil
}

// Idle is how long a file may rest between two pieces, in or out.
const Idle = 60 * time.Second

// Patient is an answer to a reader who may take long, as long as it takes
// something.
func Patient(w http.ResponseWriter) http.ResponseWriter {
	return patient{w, http.NewResponseController(w)}
}

type patient struct {
	http.ResponseWriter
	rc *http.ResponseController
}

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	_ = p.rc.SetWriteDeadline(time.Now().Add(Idle)) // a recorder in a test has none
	return p.ResponseWriter.Write(b)
}

// Alive puts off the end of the time for a request's body; to be called before
// each piece of it is waited for.
func Alive(w http.ResponseWriter) func() {
	rc := http.NewResponseController(w)
	return func() {
		_ = rc.SetReadDeadline(time.Now().Add(Idle))
		_ = rc.SetWriteDeadline(time.Now().Add(2 * Idle))
	}
}
