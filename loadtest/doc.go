// Package loadtest measures what a pool saves instead of inferring it: the same
// clients run the same transactions, first straight to PostgreSQL, then through
// a pooler, while PostgreSQL's own view and, on the same machine, the process
// table are asked how many backends there are and what memory they hold.
//
// It looks from outside, as any client does. It knows the protocol through
// pgconn, and statements only as far as it takes to put numbers in. It must not
// know pgweir: what stands behind the pooled address may be any pooler.
package loadtest
