package submission

import (
	"bytes"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"catchment/internal/problem"
)

// SplitBatch gives the raw bytes of each element of a JSON array, from its
// first byte to its last: what an element's receipt covers, and what is sealed
// and decoded again. The slices point into body. The elements are checked for
// nothing but their borders; DecodeBatch does the rest.
func SplitBatch(body []byte) ([][]byte, error) {
	if len(body) > MaxBatchBody {
		return nil, problem.TooLarge("body_too_large", "Send at most %d MiB in a batch.", MaxBatchBody>>20)
	}
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) || len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return nil, checkBytes(body)
	}
	// Repeated keys and bad characters are an element's own fault: there they get its index.
	d := decoder{in: jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	if k := d.in.PeekKind(); k != jsontext.KindBeginArray && k != jsontext.KindInvalid {
		return nil, problem.InvalidField("", "wrong_type", "Send an array of leads. A single lead goes to /v1/leads.")
	}
	if _, err := d.in.ReadToken(); err != nil {
		return nil, d.unreadable(err)
	}
	var elements [][]byte
	for d.in.PeekKind() != jsontext.KindEndArray {
		raw, err := d.in.ReadValue()
		if err != nil {
			return nil, d.unreadable(err)
		}
		if len(elements) == MaxBatch {
			return nil, problem.TooLarge("too_many_leads", "Send at most %d leads in a batch.", MaxBatch)
		}
		end := d.in.InputOffset()
		elements = append(elements, body[end-int64(len(raw)):end:end])
	}
	if err := d.close(); err != nil {
		return nil, err
	}
	if _, err := d.in.ReadToken(); err != io.EOF {
		return nil, problem.Unreadable("trailing_data", "Something follows the array. Send one array.")
	}
	if len(elements) == 0 {
		return nil, problem.InvalidField("", "batch_empty", "Send at least one lead.")
	}
	return elements, nil
}

// DecodeBatch reads a whole batch or refuses it whole: any fault of any
// element, also one that makes it unreadable, is 422 with the element's index.
// raw[i] are the bytes of leads[i].
func DecodeBatch(body []byte) (leads []*Submission, raw [][]byte, err error) {
	raw, err = SplitBatch(body)
	if err != nil {
		return nil, nil, err
	}
	leads = make([]*Submission, len(raw))
	var found []problem.Field
	for i, element := range raw {
		s, err := DecodeJSON(element)
		if err != nil {
			found = append(found, indexed(i, err)...)
		}
		leads[i] = s
		if len(found) >= maxBatchFaults {
			break
		}
	}
	if len(found) > 0 {
		return nil, nil, problem.Invalid(found...)
	}
	return leads, raw, nil
}

// maxBatchFaults bounds the answer: after so many the checking ends.
const maxBatchFaults = 1000

// indexed gives an element's faults its index. A fault of the element as a
// whole has the field "".
func indexed(i int, err error) []problem.Field {
	p, ok := problem.Of(err)
	if !ok {
		return []problem.Field{{Index: &i, Code: "invalid"}}
	}
	fields := p.Errors
	if len(fields) == 0 {
		fields = []problem.Field{{Code: p.Code, Detail: p.Detail}}
	}
	for j := range fields {
		fields[j].Index = &i
	}
	return fields
}
