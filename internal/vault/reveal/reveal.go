// Package reveal reads a Personal. Importing it is a permission: archtest
// lists who holds it (those who seal, and those who answer a person's screen
// after the record was written).
package reveal

import (
	"catchment/internal/vault"
	"catchment/internal/vault/internal/clear"
)

// Text returns the clear text.
func Text(p vault.Personal) string { return clear.Reveal(p) }
