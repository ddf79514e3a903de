package journal

import "crypto/sha256"

// tree is the Merkle tree of one commit (RFC 6962, 2.1). levels[0] holds the
// leaf hashes; a last node without a sibling moves up unchanged, which gives
// the same tree as the RFC's split at the largest power of two.
type tree struct{ levels [][][32]byte }

func newTree(leaves [][32]byte) tree {
	t := tree{levels: [][][32]byte{leaves}}
	for level := leaves; len(level) > 1; {
		level = parents(level)
		t.levels = append(t.levels, level)
	}
	return t
}

func parents(level [][32]byte) [][32]byte {
	up := make([][32]byte, 0, (len(level)+1)/2)
	for i := 0; i+1 < len(level); i += 2 {
		up = append(up, node(&level[i], &level[i+1]))
	}
	if len(level)%2 == 1 {
		up = append(up, level[len(level)-1])
	}
	return up
}

func node(left, right *[32]byte) [32]byte {
	var b [65]byte
	b[0] = 0x01
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// root of no leaves is not defined here: a commit has at least one.
func (t tree) root() [32]byte { return t.levels[len(t.levels)-1][0] }

// path is the inclusion proof of leaf i, nearest sibling first.
func (t tree) path(i int) [][32]byte {
	path := make([][32]byte, 0, len(t.levels)-1)
	for _, level := range t.levels[:len(t.levels)-1] {
		if sibling := i ^ 1; sibling < len(level) {
			path = append(path, level[sibling])
		}
		i /= 2
	}
	return path
}
