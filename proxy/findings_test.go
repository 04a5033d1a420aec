package proxy

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgweir/status"
)

// TestFindingsAreToldWhenTheyChange, and not as long as they last.
func TestFindingsAreToldWhenTheyChange(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	f := newFindings()
	begin := time.Unix(1e9, 0)
	is := func(severity status.Severity) map[findingKey]status.Finding {
		return map[findingKey]status.Finding{{"h:1", "lock_queue"}: {ID: "lock_queue", Severity: severity, Text: "words that change", Since: begin}}
	}
	again := is(status.Critical)
	for key, finding := range again { // whoever finds knows no more that it has been there before
		finding.Since = begin.Add(36 * time.Second)
		again[key] = finding
	}
	for _, step := range []struct {
		second int
		now    map[findingKey]status.Finding
		says   string // in the one line that is new; "" for none
	}{
		{0, nil, ""},
		{2, is(status.Warning), "level=WARN msg=finding id=lock_queue severity=warning server=h:1"},
		{4, is(status.Warning), ""},
		{6, is(status.Critical), "level=ERROR msg=finding id=lock_queue severity=critical"},
		{8, nil, ""},
		{36, again, ""},              // it was hardly gone
		{37, is(status.Warning), ""}, // and may be as grave again
		{38, nil, ""},
		{67, nil, ""},
		{68, nil, `msg="finding is over" id=lock_queue severity=critical server=h:1 lasted=38s`},
		{70, nil, ""},
		{72, is(status.Info), "level=INFO msg=finding id=lock_queue severity=info"},
	} {
		text.Reset()
		f.tell(log, step.now, begin.Add(time.Duration(step.second)*time.Second))
		lines := strings.Count(text.String(), "\n")
		if step.says == "" && lines != 0 || step.says != "" && (lines != 1 || !strings.Contains(text.String(), step.says)) {
			t.Errorf("second %d: %s", step.second, text.String())
		}
	}
}
