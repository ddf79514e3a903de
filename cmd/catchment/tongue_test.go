package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const appWords = "../../browser/app/src/"

var (
	wordsGap    = regexp.MustCompile(`\{\{\w+\}\}`)
	pluralForms = regexp.MustCompile(`_(zero|one|two|few|many|other)$`)
)

// tongue finds the app's English words in another of its languages.
type tongue struct {
	english []saying
	other   map[string][]string // by key without its plural: each of its forms
}

type saying struct {
	key, text string
	shape     *regexp.Regexp // with something in each gap
}

// tongueOf reads the app's words of a language; of English there is nothing to find.
func tongueOf(t *testing.T, language string) func(words string) []string {
	t.Helper()
	if language == "en" {
		return nil
	}
	tg := tongue{other: map[string][]string{}}
	files, err := filepath.Glob(appWords + "*/words.en.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, appWords+"i18n/en.json", appWords+"desk/local/words.en.json") {
		each(readWords(t, f), "", func(key, text string) {
			if strings.Contains(text, "{{") && len(longest(text)) < 3 { // all gap: it would fit everything
				return
			}
			tg.english = append(tg.english, saying{pluralForms.ReplaceAllString(key, ""), text, shapeOf(text)})
		})
		each(readWords(t, strings.TrimSuffix(f, "en.json")+language+".json"), "", func(key, text string) {
			key = pluralForms.ReplaceAllString(key, "")
			tg.other[key] = append(tg.other[key], text)
		})
	}
	return tg.find
}

func shapeOf(text string) *regexp.Regexp {
	parts := wordsGap.Split(text, -1)
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile("^" + strings.Join(parts, "(.+)") + "$")
}

func readWords(t *testing.T, path string) (words map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &words); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return words
}

func each(words map[string]any, under string, f func(key, text string)) {
	for k, v := range words {
		if text, ok := v.(string); ok {
			f(under+k, text)
		} else if more, ok := v.(map[string]any); ok {
			each(more, under+k+".", f)
		}
	}
}

// find gives what may stand where the words would in English: a whole text's,
// else that of one with gaps, else that of one they are a part of. Names, which
// no language has, are found nowhere.
func (tg tongue) find(words string) (out []string) {
	for _, fits := range []func(s saying) bool{
		func(s saying) bool { return s.text == words },
		func(s saying) bool { return strings.Contains(s.text, "{{") && s.shape.MatchString(words) },
		func(s saying) bool { return strings.HasPrefix(s.text, words) },
		func(s saying) bool { return strings.Contains(s.text, words) },
	} {
		for _, s := range tg.english {
			if !fits(s) {
				continue
			}
			filled := gaps(s, words)
			for _, text := range tg.other[s.key] {
				if said := longest(fill(text, filled)); said != "" && !slices.Contains(out, said) {
					out = append(out, said)
				}
			}
		}
		if out != nil {
			slices.Sort(out)
			return out
		}
	}
	return nil
}

// gaps says what the words have in the gaps of a text.
func gaps(s saying, words string) map[string]string {
	in := s.shape.FindStringSubmatch(words)
	if in == nil {
		return nil
	}
	out := map[string]string{}
	for i, gap := range wordsGap.FindAllString(s.text, -1) {
		out[gap] = in[i+1]
	}
	return out
}

func fill(text string, gaps map[string]string) string {
	for gap, with := range gaps {
		text = strings.ReplaceAll(text, gap, with)
	}
	return text
}

// longest is the longest part of a text that has no gap.
func longest(text string) (out string) {
	for _, part := range wordsGap.Split(text, -1) {
		if part = strings.TrimSpace(part); len(part) > len(out) {
			out = part
		}
	}
	return out
}

func TestTongue(t *testing.T) {
	arabic := tongueOf(t, "ar")
	for words, want := range map[string]string{
		"Write a new version": "اكتب نسخة جديدة",
		"Version 1, In turn":  "النسخة 1، In turn",
		"A new vers":          "نسخة جديدة",
	} {
		if got := arabic(words); !slices.Contains(got, want) {
			t.Errorf("%q is %q, without %q", words, got, want)
		}
	}
	if got := arabic("Imogen Quill"); got != nil {
		t.Errorf("a name became %q", got)
	}
}
