package proof

import (
	"strconv"
)

// crowd makes up leads. Lead n of a crowd is always the same, so that its body
// need not be kept to be compared. Numbers are from the range that is reserved
// for fiction in North America, addresses from example.com.
type crowd struct {
	tag    string // tells crowds apart: part of keys and addresses
	source string // id or slug
	test   bool
	says   []string // messages in turn; those below when nil
}

// phones is how many reserved numbers +1 NXX 555 01YY there are here: 712 area
// codes of the form [2-9][0-8]X without N11, 100 numbers in each.
const phones = 712 * 100

// phone is a number of its own for each of the first 71,200; "" beyond.
func phone(n int) string {
	if n >= phones {
		return ""
	}
	area, line := n/100, n%100
	code := 200
	for i := 0; ; code++ {
		if code/10%10 == 9 || code%100 == 11 {
			continue
		}
		if i == area {
			break
		}
		i++
	}
	s := strconv.AppendInt([]byte("+1"), int64(code), 10)
	s = append(s, "55501"...)
	s = append(s, byte('0'+line/10), byte('0'+line%10))
	return string(s)
}

var firstNames = []string{"Ada", "Bruno", "Chiara", "Dmitri", "Esperanza", "Farouk", "Gwen", "Hiroshi", "Ingrid", "Joaquín", "Keiko", "Liam", "Maëlle", "Nkechi", "Óscar", "Priya"}
var lastNames = []string{"Example", "Sample", "Muster", "Ejemplo", "Placeholder", "Specimen", "O'Example", "Van der Sample"}

// Of every ten messages three have an apostrophe: under a firewall such a
// message costs more, and people write like that.
var messages = []string{
	"I'm interested in the two-bedroom flat. Could somebody call me after six, please? We would like to visit on Saturday.",
	"Please send the brochure with prices and floor plans. We are looking for something with a balcony and a parking space.",
	"Is the show home open on Sundays? My partner and I are free from eleven onwards and could come by car or train.",
	"We've sold our house and need to move by autumn. What is still free with three bedrooms, and can we reserve one?",
	"What are the monthly charges for the larger flats, and is heating included in them? Thank you for a short answer.",
	"Good morning, please call me back about the penthouse. The best time is between nine and twelve on any weekday.",
	"Don't call before noon, I work nights. An e-mail with the price list and the terms of payment would be very welcome.",
	"How far is it to the nearest school and the station? We have two children and one car, and would both commute daily.",
	"I would like to know whether pets are allowed, and whether the ground floor flats have a garden of their own.",
	"Could you tell me which units face south, and when the second phase will be finished? I am in no great hurry.",
}

// appendBody writes lead n as the JSON that is posted, about 400 bytes.
func (c crowd) appendBody(b []byte, n int) []byte {
	b = append(b, `{"source":"`...)
	b = append(b, c.source...)
	b = append(b, `","person":{"name":"`...)
	b = append(b, firstNames[n%len(firstNames)]...)
	b = append(b, ' ')
	b = append(b, lastNames[n/len(firstNames)%len(lastNames)]...)
	if p := phone(n); p != "" {
		b = append(b, `","phone":"`...)
		b = append(b, p...)
	}
	b = append(b, `","email":"visitor-`...)
	b = append(b, c.tag...)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, `@example.com"},"message":"`...)
	says := c.says
	if says == nil {
		says = messages
	}
	b = append(b, says[n%len(says)]...)
	b = append(b, `","attribution":{"utm_source":"search","utm_campaign":"spring-open-days","gclid":"Cj0KCQ`...)
	b = strconv.AppendInt(b, int64(100_000_000+n), 10)
	b = append(b, `"},"custom":{"bedrooms":`...)
	b = strconv.AppendInt(b, int64(1+n%4), 10)
	if c.test {
		b = append(b, `},"test":true}`...)
		return b
	}
	return append(b, `}}`...)
}

func (c crowd) body(n int) []byte { return c.appendBody(make([]byte, 0, 512), n) }

// key is lead n's idempotency key.
func (c crowd) key(n int) string { return "prove-" + c.tag + "-" + strconv.Itoa(n) }
