// Package top is `pgweir top`: PostgreSQL's processes and the pools in front of
// them on a terminal, refreshed, to sort, to filter and to act on.
//
// It knows how to ask a running pgweir from outside, over HTTP for figures and
// over its console for clients, and how to draw and steer a table. It must not
// know how the figures come to be: it runs beside the pgweir that it watches,
// maybe on another machine.
//
//	source.go     what is asked, and what a Reading is
//	http.go       /savings, /pools and /census
//	console.go    SHOW CLIENTS and KILL_CLIENT
//	model.go      the state, and what a message makes of it; it does no I/O
//	keys.go       what a key does
//	prompt.go     what is typed: a filter, a column, an interval
//	kill.go       the question before a client is killed, and what comes of it
//	table.go      rows and columns: sort, filter
//	layout.go     which columns fit, and how wide they are
//	processes.go  clients.go, pools.go, findings.go: the tables
//	view.go       the screen as text; head.go is the figures above the table
//	details.go    all there is to say about one row; explain.go is its sentences
//	paint.go      colours
//	text.go       texts from outside made harmless, cut and wrapped
//	batch.go      plain tables, where there is no terminal
//
// Whatever comes from outside goes through clean before it is shown: a client
// chooses its application_name, and must not write to our terminal with it.
package top
