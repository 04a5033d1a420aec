// Package secrets knows what the files and commands that passwords come from give
// now: it runs the commands, ahead of the end of what they gave last and when
// PostgreSQL has refused that, and reads the files again when they change.
//
// It must not know whose the secrets are, how they are proven, or what is done when
// one changes. None is ever logged, nor a part of an error.
package secrets
