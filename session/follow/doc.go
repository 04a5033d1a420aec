// Package follow is what a client has made of its session and pgweir carries after
// it, as values: the settings, the statements that it has prepared, and what a
// backend has of them. It knows neither a conversation nor a pool; package session
// decides when something is sent, and says it with the texts that are made here.
package follow
