package operate

import (
	"net/http"
	"strings"

	"catchment/internal/concern"
	"catchment/internal/problem"
	"catchment/internal/store/concerns"
)

// reportWords are the words of the form's pages in one language.
type reportWords struct {
	Lang, Dir, Other, OtherLang string

	Title, Intro, Reads                    string
	Kind                                   string
	Kinds                                  map[concerns.Kind][2]string // and what each means
	Place, PlaceHelp, Message, MessageHelp string
	Email, EmailHelp, Trap, Send           string

	Thanks, Next, Reference, Received, State, KeepLink, Answers string
	States                                                      map[concerns.State]string
	None, NoneHelp                                              string

	faults map[string]string // by code, or by field and code
}

func (w reportWords) fault(f concern.Fault) string {
	if s := w.faults[f.Field+" "+f.Code]; s != "" {
		return s
	}
	return w.faults[f.Code]
}

// refusal is why nothing was taken, of whatever kind it is.
func (w reportWords) refusal(p *problem.Problem) string {
	switch {
	case p.Code == "too_many_requests", p.Code == "too_many_reports", p.Code == "foreign_origin", p.Code == "too_large":
		return w.faults[p.Code]
	case p.RetryAfter > 0:
		return w.faults["busy"]
	}
	return w.faults["internal"]
}

// wordsFor are those that the address names, else the first language of the
// browser's that there is.
func wordsFor(r *http.Request) reportWords {
	for _, lang := range append([]string{r.URL.Query().Get("lang")}, strings.Split(r.Header.Get("Accept-Language"), ",")...) {
		base, _, _ := strings.Cut(strings.TrimSpace(lang), ";")
		base, _, _ = strings.Cut(strings.ToLower(base), "-")
		switch base {
		case "ar":
			return arabicReport
		case "en":
			return englishReport
		}
	}
	return englishReport
}

var englishReport = reportWords{
	Lang: "en", Dir: "ltr", Other: "العربية", OtherLang: "ar",
	Title: "Report a problem",
	Intro: "Tell us about a weakness of this software, a form or page that deceives, or calls and messages that you do not want.",
	Reads: "Only those who run this platform read it. What you write is kept encrypted, each reading of it is recorded, and it is deleted half a year after your report was closed.",
	Kind:  "What is it about?",
	Kinds: map[concerns.Kind][2]string{
		concerns.Vulnerability: {"A weakness of the software", "Something that lets people see or change what is not theirs."},
		concerns.Misuse:        {"A form or page that deceives", "It pretends to be somebody else, or asks for what it should not."},
		concerns.Contact:       {"I am called or written to, and do not want it", "Say which number or address, so that the company can be found."},
		concerns.Data:          {"My data are where they should not be", "Or somebody does not answer when you ask for them."},
		concerns.Other:         {"Something else", ""},
	},
	Place: "Where?", PlaceHelp: "An address of a page, or a reference that you were given. It may stay empty.",
	Message: "What did you see?", MessageHelp: "What you did and what happened, as exactly as you can.",
	Email: "E-mail, if you want to be written to", EmailHelp: "It may stay empty: you read the answer on the page that follows, too.",
	Trap: "Leave this field empty", Send: "Send the report",
	Thanks: "Your report has arrived.", Next: "It is stored, and waits for the operators of the platform. They answer on this page.",
	Reference: "Reference", Received: "Received", State: "State", KeepLink: "Keep the address of this page. It is the only way to see the answer:",
	Answers: "Answers",
	States:  map[concerns.State]string{concerns.New: "Nobody has read it yet", concerns.Looked: "Somebody is looking at it", concerns.Answered: "Answered", concerns.Closed: "Closed"},
	None:    "There is no report here", NoneHelp: "The address is not complete, or the report was deleted half a year after it was closed.",
	faults: map[string]string{
		"kind missing": "Choose what it is about.", "message missing": "Write what you saw.", concern.TooLong: "This is too long.", "email odd": "This is no e-mail address.",
		concern.Trapped: "A field that people do not see was filled in. If you are one, send it again.", concern.Unreadable: "The form could not be read. Nothing was stored: send it from this page.",
		"too_many_requests": "Too many reports came from your network. Nothing was stored: send it again in a quarter of an hour.",
		"too_many_reports":  "More reports wait than can be answered. Nothing was stored: send it again tomorrow.",
		"foreign_origin":    "The form was sent from another page. Nothing was stored: send it from here.", "too_large": "The form is too long. Nothing was stored.",
		"busy": "It cannot be stored just now. Nothing was lost of what you wrote: send it again in a moment.", "internal": "Something went wrong on our side. Nothing was stored: send it again in a moment.",
	},
}

var arabicReport = reportWords{
	Lang: "ar", Dir: "rtl", Other: "English", OtherLang: "en",
	Title: "الإبلاغ عن مشكلة",
	Intro: "أخبرنا عن ثغرة في هذا البرنامج، أو عن نموذج أو صفحة تخدع الناس، أو عن اتصالات ورسائل لا تريدها.",
	Reads: "لا يقرؤه إلا من يشغّلون هذه المنصة. يُحفظ ما تكتبه مشفَّرًا، وتُسجَّل كل قراءة له، ويُحذف بعد نصف عام من إغلاق بلاغك.",
	Kind:  "عن ماذا تُبلغ؟",
	Kinds: map[concerns.Kind][2]string{
		concerns.Vulnerability: {"ثغرة في البرنامج", "شيء يتيح للناس رؤية ما ليس لهم أو تغييره."},
		concerns.Misuse:        {"نموذج أو صفحة تخدع الناس", "تنتحل صفة غيرها، أو تطلب ما لا ينبغي."},
		concerns.Contact:       {"يتصلون بي أو يراسلونني وأنا لا أريد", "اذكر الرقم أو العنوان، ليمكن العثور على الشركة."},
		concerns.Data:          {"بياناتي في مكان لا ينبغي أن تكون فيه", "أو لا يجيبك أحد حين تطلبها."},
		concerns.Other:         {"شيء آخر", ""},
	},
	Place: "أين؟", PlaceHelp: "عنوان صفحة، أو مرجع أُعطي لك. يمكن تركه فارغًا.",
	Message: "ماذا رأيت؟", MessageHelp: "ما فعلته وما حدث، بأدق ما تستطيع.",
	Email: "البريد الإلكتروني، إن أردت أن نراسلك", EmailHelp: "يمكن تركه فارغًا: ستقرأ الرد في الصفحة التالية أيضًا.",
	Trap: "اترك هذا الحقل فارغًا", Send: "إرسال البلاغ",
	Thanks: "وصل بلاغك.", Next: "تم حفظه وهو في انتظار مشغلي المنصة، وسيردون في هذه الصفحة.",
	Reference: "المرجع", Received: "وصل في", State: "الحالة", KeepLink: "احتفظ بعنوان هذه الصفحة، فهو السبيل الوحيد لرؤية الرد:",
	Answers: "الردود",
	States:  map[concerns.State]string{concerns.New: "لم يقرأه أحد بعد", concerns.Looked: "هناك من ينظر فيه", concerns.Answered: "تم الرد عليه", concerns.Closed: "مغلق"},
	None:    "لا يوجد بلاغ هنا", NoneHelp: "العنوان غير كامل، أو حُذف البلاغ بعد نصف عام من إغلاقه.",
	faults: map[string]string{
		"kind missing": "اختر موضوع البلاغ.", "message missing": "اكتب ما رأيت.", concern.TooLong: "هذا طويل جدًا.", "email odd": "هذا ليس عنوان بريد إلكتروني.",
		concern.Trapped: "تم ملء حقل لا يراه الناس. إن كنت إنسانًا فأرسله مرة أخرى.", concern.Unreadable: "تعذرت قراءة النموذج ولم يُحفظ شيء: أرسله من هذه الصفحة.",
		"too_many_requests": "وصلت بلاغات كثيرة من شبكتك ولم يُحفظ شيء: أعد إرساله بعد ربع ساعة.",
		"too_many_reports":  "عدد البلاغات المنتظرة أكبر من أن يُجاب عنها، ولم يُحفظ شيء: أعد إرساله غدًا.",
		"foreign_origin":    "أُرسل النموذج من صفحة أخرى ولم يُحفظ شيء: أرسله من هنا.", "too_large": "النموذج طويل جدًا، ولم يُحفظ شيء.",
		"busy": "يتعذر حفظه الآن، ولم يضع شيء مما كتبت: أعد إرساله بعد لحظات.", "internal": "حدث خطأ من جانبنا ولم يُحفظ شيء: أعد إرساله بعد لحظات.",
	},
}
