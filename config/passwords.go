package config

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Passwords are the secret of a [databases.NAME] or [users.NAME], where it comes
// from, and another one that is good too.
type Passwords struct {
	// Password is as it stands in the file, or what PasswordFile held when it was
	// read. PasswordCommand's is there only in what WithSecrets gives.
	Password     Secret
	PasswordNext Secret // likewise, of PasswordNextFile

	PasswordFile     string // its path, absolute or from the current folder; "": none
	PasswordNextFile string
	// PasswordCommand is a program, by its path, and its arguments; nil: none.
	PasswordCommand    []string
	PasswordCommandTTL *time.Duration // nil: the general one
}

// Given tells whether there is a secret, or a place that it comes from.
func (p *Passwords) Given() bool {
	return p.Password != "" || p.PasswordFile != "" || p.PasswordCommand != nil
}

// Setting is the one that says where the first of the passwords is; NextSetting where
// the other one is.
func (p *Passwords) Setting() string {
	switch {
	case p.PasswordFile != "":
		return "password_file"
	case p.PasswordCommand != nil:
		return "password_command"
	}
	return "password"
}

// NextSetting: see Setting.
func (p *Passwords) NextSetting() string {
	if p.PasswordNextFile != "" {
		return "password_next_file"
	}
	return "password_next"
}

// SecretSource is a file or a command that a secret comes from.
type SecretSource struct {
	Setting string // such as "users.alice.password_file", for messages
	File    string // "" if it is a command
	Command []string
	Dir     string        // the command's working folder
	TTL     time.Duration // how long the command's answer serves; 0: until PostgreSQL refuses it
	Timeout time.Duration // how long the command may run
	Read    Secret        // what the file held when the configuration was read
}

// Key tells sources apart: those with one key give one secret.
func (s *SecretSource) Key() string {
	if s.File != "" {
		return "file\x00" + s.File
	}
	return "command\x00" + strings.Join(s.Command, "\x00")
}

// passwordsOf calls f with each Passwords, in order, and the path of its table.
func (c *Config) passwordsOf(f func(path []string, p *Passwords)) {
	for _, name := range slices.Sorted(maps.Keys(c.Databases)) {
		f([]string{"databases", name}, &c.Databases[name].Passwords)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Users)) {
		f([]string{"users", name}, &c.Users[name].Passwords)
	}
}

// SecretSources are all files and commands that secrets come from. One that is
// named in several places comes once.
func (c *Config) SecretSources() (out []SecretSource) {
	c.passwordsOf(func(path []string, p *Passwords) {
		if s, ok := c.Source(p); ok {
			s.Setting = dotted(append(path, s.Setting))
			out = append(out, s)
		}
		if p.PasswordNextFile != "" {
			out = append(out, SecretSource{Setting: dotted(append(path, p.NextSetting())), File: p.PasswordNextFile, Read: p.PasswordNext})
		}
	})
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(s SecretSource) bool {
		again := seen[s.Key()]
		seen[s.Key()] = true
		return again
	})
}

// Source is where the first of the passwords comes from; false if it stands in the
// file itself, or nowhere.
func (c *Config) Source(p *Passwords) (SecretSource, bool) {
	switch {
	case p.PasswordFile != "":
		return SecretSource{Setting: p.Setting(), File: p.PasswordFile, Read: p.Password}, true
	case p.PasswordCommand != nil:
		s := SecretSource{Setting: p.Setting(), Command: p.PasswordCommand, Dir: filepath.Dir(c.Path), TTL: c.PasswordCommandTTL, Timeout: c.PasswordCommandTimeout}
		if p.PasswordCommandTTL != nil {
			s.TTL = *p.PasswordCommandTTL
		}
		return s, true
	}
	return SecretSource{}, false
}

// WithSecrets is the configuration with the secrets that its files and commands give
// now, by SecretSource.Key. Where value has none, there is none.
func (c *Config) WithSecrets(value func(key string) Secret) *Config {
	with := *c
	with.Databases, with.Users = maps.Clone(c.Databases), maps.Clone(c.Users)
	for name, db := range with.Databases {
		copied := *db
		with.Databases[name] = &copied
	}
	for name, user := range with.Users {
		copied := *user
		with.Users[name] = &copied
	}
	with.passwordsOf(func(_ []string, p *Passwords) {
		if s, ok := c.Source(p); ok {
			p.Password = value(s.Key())
		}
		if p.PasswordNextFile != "" {
			s := SecretSource{File: p.PasswordNextFile}
			p.PasswordNext = value(s.Key())
		}
	})
	return &with
}

// passwords finds what is wrong with the secrets' sources, and reads the files.
func (p *parser) passwords() {
	p.config.passwordsOf(func(path []string, w *Passwords) {
		at := func(name string) []string { return append(path[:len(path):len(path)], name) }
		var given []string
		for name, is := range map[string]bool{"password": w.Password != "", "password_file": w.PasswordFile != "", "password_command": w.PasswordCommand != nil} {
			if is {
				given = append(given, name)
			}
		}
		slices.Sort(given)
		if len(given) > 1 {
			p.problem(at(given[1]), "%s: set besides %s; a password comes from one place", dotted(at(given[1])), given[0])
		}
		next := ""
		switch {
		case w.PasswordNext != "" && w.PasswordNextFile != "":
			p.problem(at("password_next_file"), "%s: set besides password_next; a password comes from one place", dotted(at("password_next_file")))
		case w.PasswordNext != "":
			next = "password_next"
		case w.PasswordNextFile != "":
			next = "password_next_file"
		}
		if next != "" && len(given) == 0 {
			p.problem(at(next), "%s: set without a password that it comes after", dotted(at(next)))
		}
		if w.PasswordCommandTTL != nil && w.PasswordCommand == nil {
			p.problem(at("password_command_ttl"), "%s: set without password_command", dotted(at("password_command_ttl")))
		}
		p.passwordFile(at("password_file"), &w.PasswordFile, &w.Password)
		p.passwordFile(at("password_next_file"), &w.PasswordNextFile, &w.PasswordNext)
		p.passwordCommand(at("password_command"), w.PasswordCommand)
	})
}

// passwordFile reads a file with a secret, whose path it completes.
func (p *parser) passwordFile(path []string, file *string, secret *Secret) {
	if *file == "" {
		return
	}
	if !filepath.IsAbs(*file) {
		*file = filepath.Join(filepath.Dir(p.config.Path), *file)
	}
	read, err := ReadSecretFile(*file)
	if err != nil {
		p.problem(path, "%s: %s: %s", dotted(path), printable(*file), err)
		return
	}
	*secret = read
}

// passwordCommand finds the program of a command, whose path it completes.
func (p *parser) passwordCommand(path []string, command []string) {
	if command == nil {
		return
	}
	program := command[0]
	if strings.Contains(program, "/") && !filepath.IsAbs(program) {
		program, _ = filepath.Abs(filepath.Join(filepath.Dir(p.config.Path), program))
	}
	found, err := exec.LookPath(program)
	if err != nil {
		var failed *exec.Error
		if errors.As(err, &failed) {
			err = reason(failed.Err)
		}
		p.problem(path, "%s: %s: %s", dotted(path), printable(program), err)
		return
	}
	command[0] = found
}

// maxSecret bounds a secret: PostgreSQL takes no longer password from a client
// (PG_MAX_AUTH_TOKEN_LENGTH).
const maxSecret = 65535

// ReadSecretFile reads the secret that a file holds: its first line, without the
// newline. The error never repeats it.
func ReadSecretFile(path string) (Secret, error) {
	data, err := readFile(path)
	if err != nil {
		return "", err
	}
	return SecretLine(data)
}

// SecretLine is the secret that a file's or a program's text begins with.
func SecretLine(data []byte) (Secret, error) {
	line, _, _ := strings.Cut(string(data[:min(len(data), maxSecret+2)]), "\n")
	line = strings.TrimSuffix(line, "\r")
	switch {
	case line == "":
		return "", errors.New("the first line, which is the password, is empty")
	case len(line) > maxSecret:
		return "", fmt.Errorf("the first line, which is the password, is longer than %d bytes", maxSecret)
	case strings.ContainsRune(line, 0):
		return "", errors.New("the password holds a zero byte")
	}
	return Secret(line), nil
}
