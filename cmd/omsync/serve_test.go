package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/omsync/omsync/node/config"
)

// Each setting of [serve] has a flag, which comes before it.
func TestServeFlagsAreSettings(t *testing.T) {
	given, flags := 0, newServe(&global{})
	for _, s := range config.Settings() {
		name, ok := strings.CutPrefix(s.Name, "serve.")
		if !ok {
			continue
		}
		given++
		flag := flags.Flags().Lookup(strings.ReplaceAll(name, "_", "-"))
		if flag == nil {
			t.Errorf("%s has no flag", s.Name)
			continue
		}
		if s.Default != "" && s.Default != "false" && !strings.Contains(flag.Usage+"(default "+flag.DefValue+")", "default "+s.Default) {
			t.Errorf("%s: the default is %s, and the flag says %s", s.Name, s.Default, flag.Usage)
		}
	}
	if fields := reflect.TypeFor[config.Serve]().NumField(); given != fields {
		t.Errorf("%d settings of %d", given, fields)
	}
	cmd := newServe(&global{})
	if err := cmd.ParseFlags([]string{"--listen", ":1", "--log-format", "json"}); err != nil {
		t.Fatal(err)
	}
	got, err := serveSettings(cmd, &config.Serve{Listen: ":1", LogFormat: "json", MaxFile: "unset"}, config.Serve{Listen: ":2", Metrics: ":3"})
	if want := (config.Serve{Listen: ":1", LogFormat: "json", Metrics: ":3"}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if got, err := serveSettings(newServe(&global{}), &config.Serve{}, config.Serve{}); err != nil || got.Listen != config.DefaultListen {
		t.Errorf("nothing is set: %+v, %v", got, err)
	}
}
