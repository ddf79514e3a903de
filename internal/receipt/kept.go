package receipt

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"catchment/internal/lead"
)

// Kept is what must be kept beside a submission to write its receipt again, to
// the byte, for whoever has the key: an Ed25519 signature of the same message
// is always the same. The salt makes it as confidential as the body.
type Kept struct {
	Salt  Salt
	Index uint64
	Size  uint64
	Path  []Hash
}

// keptText is its form: binary values in base64url, the path's hashes joined.
type keptText struct {
	Salt  string `json:"salt"`
	Index uint64 `json:"index"`
	Size  uint64 `json:"size"`
	Path  string `json:"path,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (k Kept) MarshalJSON() ([]byte, error) {
	path := make([]byte, 0, len(k.Path)*sha256.Size)
	for _, h := range k.Path {
		path = append(path, h[:]...)
	}
	return json.Marshal(keptText{b64.EncodeToString(k.Salt[:]), k.Index, k.Size, b64.EncodeToString(path)})
}

// UnmarshalJSON implements json.Unmarshaler; an error is ErrForm.
func (k *Kept) UnmarshalJSON(b []byte) error {
	var t keptText
	if err := json.Unmarshal(b, &t); err != nil {
		return fmt.Errorf("%w: what was kept of one cannot be read", ErrForm)
	}
	out := Kept{Index: t.Index, Size: t.Size}
	path, err := b64.DecodeString(t.Path)
	if err != nil || len(path)%sha256.Size != 0 || len(path)/sha256.Size > maxPath || decode64(out.Salt[:], []byte(t.Salt)) != nil {
		return fmt.Errorf("%w: what was kept of one cannot be read", ErrForm)
	}
	for ; len(path) > 0; path = path[sha256.Size:] {
		out.Path = append(out.Path, Hash(path[:sha256.Size]))
	}
	*k = out
	return nil
}

// Again writes the receipt of the body that came as this enquiry, at this time
// and place in the journal; sign is Ed25519 with the key of that time, and
// names it. What does not fit together is ErrInclusion.
func (k Kept) Again(id lead.EnquiryID, receivedAt time.Time, body []byte, stream string, seq uint64, sign func(message []byte) (signature []byte, keyID string)) (*Receipt, error) {
	r := &Receipt{V: Version, ID: id, ReceivedAt: FormatTime(receivedAt), SHA256: sha256.Sum256(body), Salt: k.Salt, Stream: stream, Seq: seq,
		Index: k.Index, Size: k.Size, Path: k.Path}
	leaf := Leaf(r.Salt, r.ID, r.SHA256, r.ReceivedAt)
	path := make([][]byte, len(k.Path))
	for i := range k.Path {
		path[i] = k.Path[i][:]
	}
	root, err := proof.RootFromInclusionProof(rfc6962.DefaultHasher, k.Index, k.Size, leaf[:], path)
	if err != nil || len(root) != sha256.Size {
		return nil, ErrInclusion
	}
	r.Root = Hash(root)
	signature, keyID := sign(SignedMessage(r.Stream, r.Seq, r.Size, r.Root))
	if len(signature) != len(r.Signature) {
		return nil, ErrSignature
	}
	r.KeyID, r.Signature = keyID, Signature(signature)
	return r, r.check()
}
