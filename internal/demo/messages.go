package demo

// message is what visitors write, by language; "" in tongue serves all.
type message struct{ tongue, text string }

var homeMessages = []message{
	{"en", "Hi, I'm interested in a two-bedroom flat. Is parking included?"},
	{"en", "We'd love to visit this weekend - what's still available on the upper floors?"},
	{"en", "Please call after six, I don't get a signal at work."},
	{"en", "What are the service charges? We're first-time buyers & can't find them on the page."},
	{"en", "Is it true that there's a lift? My mother's in a wheelchair."},
	{"en", "Brochure please"},
	{"en", "Could you send floor plans for plots 4, 7 and 12? <3 the kitchen in your photos"},
	{"en", "How long's the lease; and do you take part exchange?"},
	{"en", "Seen on the portal. Cash buyer, no chain. Need to move by September, so let's be quick."},
	{"en", ""},
	{"es", "Hola, ¿tienen pisos de tres habitaciones? ¿Cuándo podríamos visitarlos?"},
	{"es", "Me interesa el ático. Llámenme por la mañana, por favor."},
	{"de", "Guten Tag, ist die Wohnung auch für Rollstuhlfahrer geeignet? Vielen Dank für Ihre Rückmeldung."},
	{"de", "Wir suchen eine größere Wohnung mit Balkon – gerne 4 Zimmer."},
	{"fr", "Bonjour, j'aimerais visiter l'appartement témoin. C'est possible dimanche ?"},
	{"fr", "Quel est le prix d'une place de stationnement ?"},
	{"pl", "Dzień dobry, czy mieszkanie na parterze jest jeszcze dostępne?"},
	{"hi", "नमस्ते, क्या दो बेडरूम वाला फ्लैट उपलब्ध है?"},
	{"zh", "您好，请问还有三居室吗？可以周末看房吗？"},
	{"ar", "مرحبا، هل الشقق مفروشة؟"},
}

var solarMessages = []message{
	{"en", "What would panels cost for a 1,900 sq ft house? Our bill's about $180."},
	{"en", "Do you install on metal roofs? It's 12 years old."},
	{"en", "Can I add a battery later, or is it cheaper if it's all done at once?"},
	{"en", "We lost power twice this winter. Interested in backup - don't need solar."},
	{"en", "HOA says we'd need a drawing. Can y'all provide one?"},
	{"en", "Is the rebate still on? Saw the ad; the form wouldn't load on my phone."},
	{"en", "Call me, don't email. Evenings are best."},
	{"en", "quote pls"},
	{"en", "Roof's north-facing w/ a big oak (70 ft) in front -- is it even worth it?"},
	{"en", ""},
	{"es", "¿Ofrecen financiación? La factura es de unos 200 dólares al mes."},
	{"es", "Buenas tardes, ¿hablan español? Quisiera un presupuesto."},
	{"de", "Lohnt sich ein Speicher ohne eigene Anlage?"},
	{"fr", "Combien de temps dure l'installation ?"},
	{"pl", "Ile trwa montaż paneli?"},
	{"hi", "क्या आप किस्तों में भुगतान लेते हैं?"},
	{"zh", "安装需要多长时间？有补贴吗？"},
	{"ar", "هل يمكن تركيب الألواح على سطح مستو؟"},
}

// remarks are what salespeople note after an attempt.
var remarks = map[string][]string{
	"interested":     {"Wants to see it with their partner.", "Knows the area well, asked about the timing.", "Very keen; send the price list.", "Prefers calls after six."},
	"call-back":      {"Was driving. Asked to be called again.", "In a meeting, try again soon."},
	"not-interested": {"Has bought elsewhere already.", "Only wanted the brochure."},
	"no-answer":      {"Rang out.", "Voicemail; left no message."},
	"visit":          {"Liked the light in the afternoon. Worried about parking.", "Came with the whole family. Asked for a written offer."},
}
