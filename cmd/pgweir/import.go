package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"pgweir/config"
	"pgweir/pgbouncer"
)

// newImportCmd is `pgweir import`: a config.toml from a pgbouncer.ini.
func newImportCmd() *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "import pgbouncer.ini",
		Short: "Write a config.toml that does what a pgbouncer.ini does",
		Long: `Write a config.toml that does what a pgbouncer.ini does, to stdout or to a file.

Every line that has no counterpart becomes a comment that says why. Those that ask for
something that they do not get are told of on stderr too; those that stand at a default,
or that PgBouncer does not read either, are not. Comments right above a setting come
along, and what is written says how many others there are. Relative paths start at the
current folder, as in PgBouncer, and are written in full. The passwords of the
pgbouncer.ini stand in the config.toml too.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return importINI(args[0], out, force, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "the file to write (default: stdout)")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file if it is there")
	return cmd
}

func importINI(path, out string, force bool, stdout, stderr io.Writer) error {
	im, err := pgbouncer.Import(path)
	if err != nil {
		return err
	}
	if sameFile(path, out) {
		return fmt.Errorf("%s is the file that is read", out)
	}
	if err := writePrivate(im.Text, out, force, stdout); err != nil {
		return err
	}
	for _, n := range pgbouncer.Matters(im.Notes) {
		fmt.Fprintf(stderr, "%s:%d: %s: %s\n", n.At.File, n.At.Line, n.Setting, n.Text)
	}
	at := out
	if at == "" {
		at = "config.toml"
	}
	var problems config.Problems
	if _, err := config.Parse(at, im.Text); errors.As(err, &problems) {
		fmt.Fprintln(stderr, "warning: pgweir would not start with it here:")
		fmt.Fprintln(stderr, problems)
	}
	return nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// writePrivate writes a file that nobody else may read, as there may be passwords in it,
// or to stdout if it has no name.
func writePrivate(text []byte, out string, force bool, stdout io.Writer) error {
	if out == "" {
		_, err := stdout.Write(text)
		return err
	}
	how := os.O_WRONLY | os.O_CREATE
	if !force {
		how |= os.O_EXCL
	}
	f, err := os.OpenFile(out, how, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; --force overwrites it", out)
	}
	if err != nil {
		return err
	}
	if err = emptyForOwner(f); err == nil {
		_, err = f.Write(text)
	}
	return errors.Join(err, f.Close())
}

// emptyForOwner empties a file that may have been there before, and lets nobody but its
// owner read it. A device or a pipe stays as it is.
func emptyForOwner(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return err
		}
	}
	return f.Truncate(0)
}
