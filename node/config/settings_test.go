package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/merge"
)

// keysOf returns the keys that a struct's toml tags name.
func keysOf(prefix string, t reflect.Type) (out []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("toml")
		switch ft := f.Type; {
		case name == "-":
		case ft.Kind() == reflect.Struct:
			out = append(out, keysOf(prefix+name+".", ft)...)
		case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
			out = append(out, keysOf(prefix+name+".", ft.Elem())...)
		case ft.Kind() == reflect.Map && ft.Elem().Kind() == reflect.Struct:
			out = append(out, keysOf(prefix+name+".NAME.", ft.Elem())...)
		case ft.Kind() == reflect.Map:
			out = append(out, prefix+name+".TABLE")
		default:
			out = append(out, prefix+name)
		}
	}
	return out
}

// The list has every key that can be read, and no other.
func TestSettingsAreWhatIsRead(t *testing.T) {
	var listed []string
	for _, s := range Settings() {
		listed = append(listed, s.Name)
		if s.Meaning == "" {
			t.Errorf("%s: what is it?", s.Name)
		}
	}
	read := keysOf("", reflect.TypeFor[Config]())
	slices.Sort(read)
	slices.Sort(listed)
	if !slices.Equal(listed, read) {
		t.Errorf("listed\n%s\nread\n%s", strings.Join(listed, " "), strings.Join(read, " "))
	}
}

func TestDefaultsAreTrue(t *testing.T) {
	defaults := map[string]string{}
	for _, s := range Settings() {
		defaults[s.Name] = s.Default
	}
	c := &Config{Hooks: Hooks{Timeout: defaults["hooks.timeout"]}}
	if d, err := time.ParseDuration(c.Hooks.Timeout); err != nil || d != DefaultHookTimeout || (&Hooks{}).Limit() != d {
		t.Errorf("hooks.timeout: %v, %v", d, err)
	}
	if p, by := PolicyOf(nil, "obs", "comments"); p.String() != defaults["policy.TABLE"] || by != "" {
		t.Errorf("policy: %v", p)
	}
	if size, err := c.MaxFileSize(); err != nil {
		t.Error(err)
	} else if said, err := ParseBytes(defaults["max_file"]); err != nil || said != size {
		t.Errorf("max_file: %d, %d, %v", size, said, err)
	}
	if years := int(c.Horizon() / merge.Year); strconv.Itoa(years) != defaults["horizon_years"] {
		t.Errorf("horizon_years: %d", years)
	}
	if days := int(c.Keep() / (24 * time.Hour)); strconv.Itoa(days) != defaults["keep_deleted_days"] {
		t.Errorf("keep_deleted_days: %d", days)
	}
	c.Serve = Serve{Listen: defaults["serve.listen"], MaxFile: defaults["serve.max_file"], LogFormat: defaults["serve.log_format"]}
	if err := c.Serve.Check(); err != nil || c.Serve.Listen != DefaultListen {
		t.Errorf("serve: %+v, %v", c.Serve, err)
	}
}
