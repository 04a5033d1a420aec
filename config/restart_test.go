package config

import (
	"slices"
	"testing"
)

func TestWhatTakesEffectAtARestartIsKeptUntilThen(t *testing.T) {
	before, err := Parse("config.toml", []byte("listen_port = 1\nlisten_addr = [\"::1\"]\nmax_client_conn = 5"))
	if err != nil {
		t.Fatal(err)
	}
	now, err := Parse("config.toml", []byte("listen_port = 2\nmax_client_conn = 6"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{
		{Setting: "listen_addr", Kind: Changed, Before: "::1", After: "127.0.0.1"},
		{Setting: "listen_port", Kind: Changed, Before: "1", After: "2"},
	}
	if pending := now.KeepUntilRestart(before); !slices.Equal(pending, want) {
		t.Errorf("pending: %+v", pending)
	}
	if now.ListenPort != 1 || !slices.Equal(now.ListenAddr, []string{"::1"}) || now.MaxClientConn != 6 {
		t.Errorf("%+v", now)
	}
	for _, row := range now.Settings() {
		if row.Key == "listen_port" && row.Value != "1" {
			t.Errorf("%+v", row)
		}
	}
	if changed := now.KeepUntilRestart(before); len(changed) != 0 {
		t.Errorf("%v is pending still", changed)
	}
}
