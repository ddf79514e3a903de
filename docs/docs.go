// Package docs holds the pages that the program reads itself: what it says of
// itself there, prove measures it by.
package docs

import _ "embed"

// Rights is the page with the table of roles and that of routes.
//
//go:embed rights.md
var Rights string

// AuditVerify is the second verifier of a record, for Node.
//
//go:embed audit-verify.mjs
var AuditVerify []byte
