package directory

import (
	"context"
	"fmt"
	"slices"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/access"
)

// Networks are from where an account's people and secret keys may come.
type Networks = access.Networks

// mostNetworks bounds each list.
const mostNetworks = 100

// CodeElsewhere is the code of the answer to who comes from outside the
// networks that the account, the key or the platform allows.
const CodeElsewhere = "network"

// inside refuses a request whose caller, as the gate house believes, is not in
// each of the lists.
func inside(ctx context.Context, lists []caller.Networks) error {
	at := caller.Address(ctx)
	for _, n := range lists {
		if !n.Has(at) {
			return problem.Forbidden(CodeElsewhere, "This is not open from your network. Come from one of those that your admin has allowed.")
		}
	}
	return nil
}

// Admits refuses whoever asks, as somebody of the role, from outside the
// account's networks.
func (d *Directory) Admits(tx *store.Tx, role account.Role) error {
	rule, err := access.GetRule(tx)
	if err != nil {
		return err
	}
	may, err := RightsOf(tx, role)
	if err != nil {
		return err
	}
	return inside(tx.Context(), rule.Networks.Of(administers(may)))
}

// administers reports whether somebody keeps to the networks of admins: who
// could give themselves or a key what an admin has does as they do.
func administers(r rights.Rights) bool {
	return r.May(account.ManagePeople) || r.May(account.ManageKeys)
}

// AdmitsOperator is Admits for operators of the platform.
func (d *Directory) AdmitsOperator(ctx context.Context) error {
	return inside(ctx, d.operatorNetworks())
}

func (d *Directory) operatorNetworks() []caller.Networks {
	return []caller.Networks{d.o.OperatorNetworks}
}

// networks reads what somebody in a session, or a key, has to keep to. Nil:
// nothing.
func (d *Directory) networks(ctx context.Context, p Principal, own caller.Networks) (*[]caller.Networks, error) {
	list := d.operatorNetworks()
	if !p.Operator {
		err := d.o.DB.Read(ctx, p.Scope, func(tx *store.Tx) error {
			rule, err := access.GetRule(tx)
			if list = rule.Networks.Of(administers(p.Rights)); !p.Key.IsZero() {
				list = []caller.Networks{rule.Networks.Keys, own}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	list = slices.DeleteFunc(list, func(n caller.Networks) bool { return len(n) == 0 })
	if len(list) == 0 {
		return nil, nil
	}
	return &list, nil
}

// ReadNetworks reads the account's lists.
func (d *Directory) ReadNetworks(tx *store.Tx) (Networks, error) {
	rule, err := access.GetRule(tx)
	return rule.Networks, err
}

// SetNetworks changes them, at every door at once. Whoever changes those of
// people is a user inside of all of them: so there is one left who can undo it.
func (d *Directory) SetNetworks(tx *store.Tx, p Principal, admins, everyone, keys []string) (n Networks, err error) {
	var f faults
	n.Admins, n.Everyone, n.Keys = f.networks("admins", admins), f.networks("everyone", everyone), f.networks("keys", keys)
	if err := f.err(); err != nil {
		return n, err
	}
	was, err := access.GetRule(tx)
	if err != nil {
		return n, err
	}
	ofPeople := !slices.Equal(n.Admins, was.Networks.Admins) || !slices.Equal(n.Everyone, was.Networks.Everyone)
	if ofPeople && p.User.IsZero() {
		return n, problem.Forbidden("not_a_user", "Sign in to change from where people may come: where a key is says nothing about where admins are.")
	}
	if err := locksOut(tx.Context(), []caller.Networks{n.Everyone, n.Admins}, ofPeople); err != nil {
		return n, err
	}
	if err := locksOut(tx.Context(), []caller.Networks{n.Keys}, !p.Key.IsZero()); err != nil {
		return n, err
	}
	if err := access.SetNetworks(tx, n); err != nil {
		return n, err
	}
	d.revoked(tx)
	return n, d.o.Changed(tx)
}

// ClearNetworks lets people come from anywhere again; keys keep to theirs.
// False: they may already.
func (d *Directory) ClearNetworks(tx *store.Tx) (bool, error) {
	rule, err := access.GetRule(tx)
	if err != nil || len(rule.Networks.Admins)+len(rule.Networks.Everyone) == 0 {
		return false, err
	}
	d.revoked(tx)
	return true, access.SetNetworks(tx, Networks{Keys: rule.Networks.Keys})
}

// locksOut refuses lists that would shut out the one who sets them.
func locksOut(ctx context.Context, lists []caller.Networks, applies bool) error {
	if !applies || inside(ctx, lists) == nil {
		return nil
	}
	at := "an address that is not known here"
	if a := caller.Address(ctx); a.IsValid() {
		at = a.String()
	}
	return problem.Conflict("locks_you_out", "Your request comes from %s, which is not in these networks: you could not undo this. Add it, or change it from inside.", at)
}

// networks reads a list of texts, and names those that are none.
func (f *faults) networks(field string, list []string) (out caller.Networks) {
	if len(list) > mostNetworks {
		f.add(field, "too_many", "Send at most %d networks.", mostNetworks)
		return nil
	}
	for i, s := range list {
		p, err := caller.ParseNetwork(s)
		at := fmt.Sprintf("%s.%d", field, i)
		switch {
		case err != nil:
			f.add(at, "bad_network", "Send an address, or a network such as 192.0.2.0/24 or 2001:db8::/48.")
		case caller.HostBits(p) != nil:
			f.add(at, "host_bits", "This %s.", caller.HostBits(p))
		case !slices.Contains(out, p):
			out = append(out, p)
		}
	}
	return out
}

// SetKeyNetworks says from where a secret key may be used, at every door at once.
func (d *Directory) SetKeyNetworks(tx *store.Tx, p Principal, id account.KeyID, list []string) (Key, error) {
	k, err := KeyOf(tx, id)
	if err != nil {
		return Key{}, err
	}
	var f faults
	k.Networks = f.keyNetworks(k.Kind, list)
	if err := f.err(); err != nil {
		return Key{}, err
	}
	if !k.RevokedAt.IsZero() {
		return Key{}, problem.Conflict("key_revoked", "The key is revoked, and stays so. Make a new one.")
	}
	if err := locksOut(tx.Context(), []caller.Networks{k.Networks}, p.Key == id); err != nil {
		return Key{}, err
	}
	if err := access.SetKeyNetworks(tx, id, k.Networks); err != nil {
		return Key{}, err
	}
	d.revoked(tx)
	return k, d.o.Changed(tx)
}

func (f *faults) keyNetworks(kind string, list []string) caller.Networks {
	if kind != SecretKey && len(list) > 0 {
		f.add("networks", "not_here", "A publishable key is in pages, which visitors open from anywhere; it has origins.")
	}
	return f.networks("networks", list)
}
