package access

import (
	"errors"

	"catchment/internal/store"
	"catchment/internal/vault"
)

var rewrapProvider = store.Register("access.sso.provider.rewrap", `UPDATE sso_provider SET secret_key = $2 WHERE account_id = $1 AND secret_key = $3`)

// ProviderKey reads the wrapped key of the client's secret at the account's
// identity provider; none when there is no provider. Its subject is the account.
func ProviderKey(tx *store.Tx) ([]vault.Wrapped, error) {
	p, err := GetProvider(tx)
	if errors.Is(err, store.ErrNone) {
		return nil, nil
	}
	return []vault.Wrapped{{Subject: vault.Subject(tx.Account().UUID()), Key: p.Key}}, err
}

// RewrapProvider puts the key that was wrapped anew into the place of the old
// form, unless another provider was set meanwhile.
func RewrapProvider(tx *store.Tx, old vault.Wrapped, wrapped []byte) error {
	_, err := tx.Exec(rewrapProvider, wrapped, old.Key)
	return err
}
