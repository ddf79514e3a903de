package checkpoint

import (
	"crypto/sha256"
	"errors"
	"math/bits"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Tree is a tree of RFC 6962 that grows. Of its leaves it keeps only the
// hashes of its perfect subtrees: from a signed tree, and what came after, the
// next signed root follows, so that no other proof is needed.
type Tree struct{ r *compact.Range }

var factory = compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

// NewTree continues the tree of this size; peaks are its perfect subtrees'
// hashes, from the left, one after the other.
func NewTree(size uint64, peaks []byte) (*Tree, error) {
	if len(peaks) != bits.OnesCount64(size)*sha256.Size {
		return nil, errors.New("checkpoint: these are not the hashes of a tree of this size")
	}
	var hashes [][]byte
	for i := 0; i < len(peaks); i += sha256.Size {
		hashes = append(hashes, peaks[i:i+sha256.Size])
	}
	r, err := factory.NewRange(0, size, hashes)
	if err != nil {
		return nil, err
	}
	return &Tree{r}, nil
}

// Append adds a leaf.
func (t *Tree) Append(leaf Hash) error { return t.r.Append(leaf[:], nil) }

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.r.End() }

// Peaks is what NewTree takes.
func (t *Tree) Peaks() []byte {
	out := make([]byte, 0, len(t.r.Hashes())*sha256.Size)
	for _, h := range t.r.Hashes() {
		out = append(out, h...)
	}
	return out
}

// Root is the tree's hash; of the empty tree SHA-256 of nothing.
func (t *Tree) Root() (Hash, error) {
	if t.Size() == 0 {
		return Hash(rfc6962.DefaultHasher.EmptyRoot()), nil
	}
	h, err := t.r.GetRootHash(nil)
	if err != nil {
		return Hash{}, err
	}
	return Hash(h), nil
}
