// Package proxy knows who a client is and what it may do now: listeners, the
// client's login, cancel requests, reload and drain. It joins a session (what
// a client says) with a pool (which backend it gets) on an event loop (where
// the bytes come from), and fills in the status snapshot.
//
// It must not know how a console command or a metric looks, and it decodes
// nothing itself.
//
//	proxy.go      the whole: loops, pools, registry; New, Serve, Close
//	worker.go     one event loop with what belongs to it
//	bind.go       sockets to listen on, and listen.go what comes there
//	peer.go       where a client comes from, and header.go what a proxy says of that
//	arrive.go     who gets a seat and a turn
//	login.go      from the first byte to the proof of who the client is
//	encryption.go how a client asks for TLS
//	tls.go        what of TLS clients are offered, and certificates.go its renewal
//	handshake.go  TLS with clients
//	access.go     what clients have to show, by auth_type and auth_hba_file
//	decide.go     what one client has to show, and secrets.go how the server is asked
//	              for its secret, roles.go for its roles, and directory.go an LDAP
//	              server for its word
//	resolver.go   the names of clients' addresses
//	delay.go      passwords that come too soon after wrong ones
//	admit.go      from there to ReadyForQuery
//	startup.go    what a StartupMessage asks for
//	add_host.go   the client's address in its application_name
//	client.go     a client that has logged in: feeds its session
//	lease.go      how a client gets a backend and gives it back
//	waiters.go    places in waiting lines, lent as long as a client needs one
//	server.go     a backend on a loop
//	host.go       backends coming from and going to the pool
//	cancel.go     CancelRequest
//	console.go    a client of the admin console
//	reload.go     a new configuration
//	stop.go       drain and the end
//	mail.go       what others want done with a client
//	balance.go    how many loops are in use
//	keeper.go     what time asks for
//	snapshot.go   the figures
//
// Everything about a client or a leased backend happens on the thread of the
// loop that it is on. Other goroutines (logins to the server, cancels, the
// console) post to it.
package proxy
