package config

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Secret is a text that nobody is to see: whatever prints one, or a value that holds
// one, shows asterisks. Who needs the text itself writes string(s).
type Secret string

// hidden stands for a secret.
const hidden = "********"

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return hidden
}

// String gives asterisks, or nothing for no secret.
func (s Secret) String() string { return s.shown() }

// Format is String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.shown()) }

// MarshalText is String, for JSON, TOML and XML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.shown()) }

// opens tells whether who reads the secret can log in with it, or make others
// believe so: all but a SCRAM secret, which has to be guessed.
func (s Secret) opens() bool { return s != "" && !strings.HasPrefix(string(s), "SCRAM-SHA-256$") }
