//go:build !linux

package config

import (
	"strings"
	"testing"
)

func TestAnAbstractSocketIsAProblemWhereThereIsNone(t *testing.T) {
	_, err := Parse("config.toml", []byte("unix_socket_dir = '@weir'\n[databases.app]\nhost = '@pg'"))
	if err == nil || strings.Count(err.Error(), "which only Linux has") != 2 {
		t.Error(err)
	}
}
