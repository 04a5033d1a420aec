package console

// These tables tell of things that pgweir does not have: PgBouncer's memory
// caches (database pgweir has something else in their place), the descriptors that its online restart hands over, zones of its
// resolver, and peers. Tools that ask for them find the columns, and no rows.

type empty = view[struct{}]

var pgbouncerMem = empty{columns: []column[struct{}]{
	none("name", oidText), none("size", oidInt4), none("used", oidInt4),
	none("free", oidInt4), none("memtotal", oidInt4),
}}

var fdsTable = empty{columns: []column[struct{}]{
	none("fd", oidInt4), none("task", oidText), none("user", oidText), none("database", oidText),
	none("addr", oidText), none("port", oidInt4), none("cancel", oidInt8), none("link", oidInt4),
	none("client_encoding", oidText), none("std_strings", oidText), none("datestyle", oidText),
	none("timezone", oidText), none("password", oidText),
	none("scram_client_key", oidBytea), none("scram_server_key", oidBytea),
}}

var dnsZonesTable = empty{columns: []column[struct{}]{
	none("zonename", oidText), none("serial", oidInt8), none("count", oidInt4),
}}

var peersTable = empty{columns: []column[struct{}]{
	none("peer_id", oidInt4), none("host", oidText), none("port", oidInt4), none("pool_size", oidInt4),
}}

var peerPoolsTable = empty{columns: []column[struct{}]{
	none("peer_id", oidInt4), none("cl_active_cancel_req", oidInt4),
	none("cl_waiting_cancel_req", oidInt4), none("sv_active_cancel", oidInt4), none("sv_login", oidInt4),
}}
