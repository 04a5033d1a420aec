package status

// Logins are the clients on their way in, and what has come of those that did not get
// there.
type Logins struct {
	Addresses int // from which any are on their way
	Served    int // are read
	Waiting   int // for their turn, unread
	Delayed   int // whose password waits to be judged or answered; among Served
	Reserve   int // clients in seats beyond max_client_conn, on the console or on their way

	Failed   int64 // with a wrong password or an unknown name, since the start, like those that follow
	Delays   int64 // passwords that had to wait
	Refused  int64 // for want of room
	TimedOut int64 // by client_login_timeout
	Garbled  int64 // that were no logins, or to which no password would have helped

	ByAddress []LoginAddress // with Full only; those with most on their way first
}

// LoginAddress is what is known of the logins from one address. The counts reach back
// to when it was last remembered.
type LoginAddress struct {
	Addr                     string // "192.0.2.7", "2001:db8::/64", "unix:1000" with the user's number
	Served, Waiting, Delayed int
	FailingUsers             int // whose wrong passwords are remembered

	Failed, Refused, TimedOut, Garbled int64
}
