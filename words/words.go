package words

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"

	"github.com/omsync/omsync/progress"
)

//go:embed text/*.json
var files embed.FS

// Languages are those that the catalogues have, English first.
func Languages() []language.Tag {
	return []language.Tag{language.English, language.French, language.Portuguese, language.Spanish}
}

// entry is a text in one language: as it is, or, with a number, in two forms.
type entry struct {
	Text       string
	Plural     int // which argument decides, from 1; 0: none
	One, Other string
}

// UnmarshalJSON reads a string, or {"plural": 1, "one": "…", "other": "…"}.
func (e *entry) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &e.Text); err == nil {
		return nil
	}
	type forms struct {
		Plural     int
		One, Other string
	}
	var f forms
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	e.Plural, e.One, e.Other = f.Plural, f.One, f.Other
	return nil
}

// Itself returns what one of the languages is called in it. Package display knows that of every language, and takes a millisecond for it
// whenever the program starts.
func Itself(tag string) string {
	return map[string]string{"en": "English", "fr": "français", "pt": "português", "es": "español"}[tag]
}

// read returns the catalogue of a language. That of English holds the texts that have two forms.
func read(tag language.Tag) (map[string]entry, error) {
	b, err := files.ReadFile("text/" + tag.String() + ".json")
	if err != nil {
		return nil, err
	}
	out := map[string]entry{}
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", tag, err)
	}
	return out, nil
}

// Catalogues are the texts in all languages.
type Catalogues struct {
	builder *catalog.Builder
	matcher language.Matcher
}

// Load reads the catalogues, which are part of the program.
func Load() (*Catalogues, error) {
	c := &Catalogues{catalog.NewBuilder(catalog.Fallback(language.English)), language.NewMatcher(Languages())}
	for _, tag := range Languages() {
		entries, err := read(tag)
		if err != nil {
			return nil, err
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			e := entries[key]
			if e.Plural == 0 {
				err = c.builder.SetString(tag, key, e.Text)
			} else {
				err = c.builder.Set(tag, key, plural.Selectf(e.Plural, "%d", plural.One, e.One, plural.Other, e.Other))
			}
			if err != nil {
				return nil, fmt.Errorf("catalogue %s: %q: %w", tag, key, err)
			}
		}
	}
	return c, nil
}

// For returns what prints in the first language that a person wants and the catalogues have, otherwise in English. wanted is as a browser
// says it in Accept-Language.
func (c *Catalogues) For(wanted string) *Printer {
	tags, _, _ := language.ParseAcceptLanguage(wanted) // what cannot be read is English
	_, i, _ := c.matcher.Match(tags...)
	tag := Languages()[i]
	return &Printer{Tag: tag, printer: message.NewPrinter(tag, message.Catalog(c.builder)), Now: time.Now}
}

// ForSystem is For with the language of a person at a command line, of whom env has the variables of the environment.
func (c *Catalogues) ForSystem(env func(string) string) *Printer {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := env(name); v != "" {
			v, _, _ = strings.Cut(v, ".")
			v, _, _ = strings.Cut(v, "@")
			return c.For(strings.ReplaceAll(v, "_", "-"))
		}
	}
	return c.For("")
}

// Printer prints in one language.
type Printer struct {
	Tag language.Tag
	Now func() time.Time // from which ages count
	// Clean makes a name or another text that somebody else wrote harmless where it is printed; nil: it is put in as it is.
	Clean   func(string) string
	printer *message.Printer
}

// Text prints a sentence.
func (p *Printer) Text(t progress.Text) string { return p.Say(t.Key, t.Args...) }

// Say prints a text, which is its English form, with arguments as [progress.Text] has them.
func (p *Printer) Say(key string, args ...any) string {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case progress.Text:
			out[i] = p.Text(a)
		case progress.Since:
			out[i] = p.At(time.Time(a))
		case time.Time:
			out[i] = p.Day(a)
		case time.Duration:
			out[i] = p.Age(a)
		case string:
			out[i] = a
			if p.Clean != nil {
				out[i] = p.Clean(a)
			}
		default:
			out[i] = a
		}
	}
	return p.printer.Sprintf(key, out...)
}

// Age is a length of time in its largest unit of which there are two and more.
func (p *Printer) Age(d time.Duration) string {
	switch d = max(d, -d); {
	case d < 2*time.Minute:
		return p.Say("a minute")
	case d < 2*time.Hour:
		return p.Say("%d minutes", int(d/time.Minute))
	case d < 48*time.Hour:
		return p.Say("%d hours", int(d/time.Hour))
	}
	return p.Say("%d days", int(d/(24*time.Hour)))
}

// At is when something was, as an age.
func (p *Printer) At(t time.Time) string {
	d := p.Now().Sub(t)
	if d < 2*time.Minute {
		return p.Say("just now")
	}
	return p.Say("%s ago", d)
}

// Day is since when something is: a time of today, a day of the last week, or a date.
func (p *Printer) Day(t time.Time) string {
	t, now := t.Local(), p.Now().Local()
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch {
	case t.After(now) || t.Before(midnight.AddDate(0, 0, -6)):
		return t.Format("2006-01-02")
	case t.Before(midnight):
		return p.weekday(t.Weekday())
	}
	return t.Format("15:04")
}

func (p *Printer) weekday(d time.Weekday) string {
	return []string{p.Say("Sunday"), p.Say("Monday"), p.Say("Tuesday"), p.Say("Wednesday"), p.Say("Thursday"), p.Say("Friday"), p.Say("Saturday")}[d]
}

// Level is a level in a word or two.
func (p *Printer) Level(l progress.Level) string {
	return []string{p.Say("well"), p.Say("late"), p.Say("needs somebody")}[l]
}

// Step is what to do next: a command as it is typed, or a sentence.
func (p *Printer) Step(s progress.Step) string {
	if s.Command != "" {
		return "omsync " + s.Command
	}
	if s.Says.Key == "" {
		return ""
	}
	return p.Text(s.Says)
}
