// Package web serves pgweir's figures over HTTP: a page for people, JSON for
// programs and metrics for Prometheus, each rendered from one status.Snapshot.
//
// It knows HTTP, JSON and HTML, and how the figures are named there. It must
// not know the protocol, the pools, or how a snapshot comes about.
package web
