package web

import "pgweir/status"

var loginMetrics = []metric[*status.Logins]{
	gauge("logins_served", "Clients that are logging in and are read.", func(l *status.Logins) float64 { return float64(l.Served) }),
	gauge("logins_waiting", "Clients that wait for their turn to log in (max_logins).", func(l *status.Logins) float64 { return float64(l.Waiting) }),
	gauge("logins_delayed", "Clients whose password waits to be judged or answered (login_failure_delay).", func(l *status.Logins) float64 { return float64(l.Delayed) }),
	gauge("login_addresses", "Addresses from which clients are logging in.", func(l *status.Logins) float64 { return float64(l.Addresses) }),
	gauge("reserve_clients", "Clients beyond max_client_conn: on the console, or logging in.", func(l *status.Logins) float64 { return float64(l.Reserve) }),
	counter("logins_failed_total", "Logins that have ended with a wrong password or an unknown name.", func(l *status.Logins) float64 { return float64(l.Failed) }),
	counter("logins_delayed_total", "Passwords that had to wait to be judged or answered.", func(l *status.Logins) float64 { return float64(l.Delays) }),
	counter("logins_refused_total", "Clients that were refused for want of room (max_client_conn, file descriptors, passwords that wait).", func(l *status.Logins) float64 { return float64(l.Refused) }),
	counter("logins_timed_out_total", "Logins that client_login_timeout has ended.", func(l *status.Logins) float64 { return float64(l.TimedOut) }),
	counter("logins_garbled_total", "What was no login, or one to which no password would have helped.", func(l *status.Logins) float64 { return float64(l.Garbled) }),
}
