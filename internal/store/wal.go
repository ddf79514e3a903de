package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// What SQLite's log looks like: https://www.sqlite.org/fileformat2.html#walformat

const (
	walHead   = 32
	frameHead = 24
	walMagic  = 0x377f0682 // its last bit: the sums' words are big-endian
)

// walSalt is drawn anew, and its first word counted up, each time the log
// begins again at its start.
type walSalt [2]uint32

// walSum is the running sum over a log.
type walSum [2]uint32

func (s walSum) add(order binary.ByteOrder, b []byte) walSum {
	for ; len(b) >= 8; b = b[8:] {
		s[0] += order.Uint32(b) + s[1]
		s[1] += order.Uint32(b[4:]) + s[0]
	}
	return s
}

func (s walSum) is(b []byte) bool {
	return binary.BigEndian.Uint32(b) == s[0] && binary.BigEndian.Uint32(b[4:]) == s[1]
}

// walHeader is what is said once, at the log's beginning.
type walHeader struct {
	page  int // bytes
	salt  walSalt
	order binary.ByteOrder
	sum   walSum
}

var errNoLog = errors.New("store: the log has no header")

func readWALHeader(f io.ReaderAt) (h walHeader, err error) {
	var b [walHead]byte
	if _, err := f.ReadAt(b[:], 0); errors.Is(err, io.EOF) {
		return h, errNoLog
	} else if err != nil {
		return h, err
	}
	magic := binary.BigEndian.Uint32(b[:])
	if magic&^1 != walMagic {
		return h, errNoLog
	}
	h.order = binary.LittleEndian
	if magic&1 == 1 {
		h.order = binary.BigEndian
	}
	h.page = int(binary.BigEndian.Uint32(b[8:]))
	h.salt = walSalt{binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])}
	if h.sum = (walSum{}).add(h.order, b[:24]); !h.sum.is(b[24:]) {
		return h, errNoLog // it is being written
	}
	if h.page < 512 || h.page > 1<<16 || h.page&(h.page-1) != 0 {
		return h, fmt.Errorf("store: the log says that a page has %d bytes", h.page)
	}
	return h, nil
}

// walFrame is one page of a log.
type walFrame struct {
	number uint32 // of the page, from 1
	size   uint32 // pages of the database after this commit; 0 within a transaction
	data   []byte
}

// frames reads whole transactions from the offset on, at most about that many
// bytes of them, and says where and with which sum it goes on.
func (h walHeader) frames(f io.ReaderAt, at int64, sum walSum, most int64) (list []walFrame, end int64, after walSum, err error) {
	begin, whole := at, 0
	end, after = at, sum
	for {
		b := make([]byte, frameHead+h.page)
		if _, err := f.ReadAt(b, at); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, end, after, err
		}
		if (walSalt{binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}) != h.salt {
			break // of an earlier round of the log
		}
		if sum = sum.add(h.order, b[:8]).add(h.order, b[frameHead:]); !sum.is(b[16:]) {
			break // it is being written
		}
		at += int64(len(b))
		list = append(list, walFrame{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), b[frameHead:]})
		if list[len(list)-1].size > 0 {
			whole, end, after = len(list), at, sum
			if at-begin >= most {
				break
			}
		}
	}
	return list[:whole], end, after, nil
}

// A Piece is what a database's pages became in some whole transactions: each
// page as it was last.
//
//	"catchment-log-1" ‖ 0x0A ‖ u32(bytes of a page) ‖ u32(pages of the database) ‖ u32(n) ‖ n × (u32(number) ‖ page)
const pieceHead = "catchment-log-1\n"

// ErrPiece says that a piece of a log is none.
var ErrPiece = errors.New("store: that is no piece of a shipped log")

func pieceOf(page int, list []walFrame) []byte {
	if len(list) == 0 {
		return nil
	}
	last := map[uint32]int{}
	for i, f := range list {
		last[f.number] = i
	}
	size := list[len(list)-1].size
	out := make([]byte, 0, len(pieceHead)+12+len(last)*(4+page))
	out = append(out, pieceHead...)
	out = binary.BigEndian.AppendUint32(out, uint32(page))
	out = binary.BigEndian.AppendUint32(out, size)
	count := len(out)
	out = binary.BigEndian.AppendUint32(out, 0)
	n := uint32(0)
	for i, f := range list {
		if last[f.number] == i && f.number <= size { // those beyond were cut off again
			out = append(binary.BigEndian.AppendUint32(out, f.number), f.data...)
			n++
		}
	}
	binary.BigEndian.PutUint32(out[count:], n)
	return out
}

// ApplyPiece brings a database's file, which nobody has open, on by one piece.
func ApplyPiece(path string, piece []byte) error {
	if len(piece) < len(pieceHead)+12 || string(piece[:len(pieceHead)]) != pieceHead {
		return ErrPiece
	}
	b := piece[len(pieceHead):]
	page, size, n := int(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:]), int(binary.BigEndian.Uint32(b[8:]))
	if b = b[12:]; page < 512 || page > 1<<16 || len(b) != n*(4+page) {
		return ErrPiece
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("store: apply: %w", err)
	}
	for ; len(b) > 0 && err == nil; b = b[4+page:] {
		number := binary.BigEndian.Uint32(b)
		if number == 0 || number > size {
			err = ErrPiece
			break
		}
		_, err = f.WriteAt(b[4:4+page], int64(number-1)*int64(page))
	}
	if err == nil {
		err = f.Truncate(int64(size) * int64(page))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("store: apply: %w", err)
	}
	return nil
}
