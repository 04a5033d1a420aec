package console

import (
	"slices"
	"strings"
	"testing"
)

// pgbouncerTables are the columns of PgBouncer 1.25.2 in their order, from what
// admin.c and stats.c send, and as it was seen to answer: i is INT4, q INT8, s TEXT,
// N NUMERIC, b BYTEA.
var pgbouncerTables = map[string]string{
	"pools": "s database user, i cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active " +
		"sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us, s pool_mode load_balance_hosts",
	"clients":        sockets,
	"servers":        sockets,
	"sockets":        sockets + socketBuffers,
	"active_sockets": sockets + socketBuffers,
	"stats": "s database, N total_server_assignment_count total_xact_count total_query_count total_received total_sent " +
		"total_xact_time total_query_time total_wait_time total_client_parse_count total_server_parse_count " +
		"total_bind_count avg_server_assignment_count avg_xact_count avg_query_count avg_recv " +
		"avg_sent avg_xact_time avg_query_time avg_wait_time avg_client_parse_count avg_server_parse_count " +
		"avg_bind_count",
	"stats_totals": "s database, N server_assignment_count xact_count query_count bytes_received bytes_sent xact_time " +
		"query_time wait_time client_parse_count server_parse_count bind_count",
	"stats_averages": "s database, N server_assignment_count xact_count query_count bytes_received bytes_sent xact_time " +
		"query_time wait_time avg_client_parse_count avg_server_parse_count avg_bind_count",
	"totals": "s name, N value",
	"databases": "s name host, i port, s database force_user, i pool_size min_pool_size reserve_pool_size server_lifetime, " +
		"s pool_mode load_balance_hosts, i max_connections current_connections max_client_connections " +
		"current_client_connections paused disabled",
	"users": "s name pool_size reserve_pool_size pool_mode, i max_user_connections current_connections " +
		"max_user_client_connections current_client_connections",
	"lists":   "s list, i items",
	"config":  "s key value default changeable",
	"version": "s version",
	"state":   "s key value",
	"mem":     "s name, i size used free memtotal",
	"fds": "i fd, s task user database addr, i port, q cancel, i link, s client_encoding std_strings datestyle timezone " +
		"password, b scram_client_key scram_server_key",
	"dns_hosts":  "s hostname, q ttl, s addrs",
	"dns_zones":  "s zonename, q serial, i count",
	"peers":      "i peer_id, s host, i port pool_size",
	"peer_pools": "i peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login",
}

const (
	sockets = "s type user database replication state addr, i port, s local_addr, i local_port, " +
		"s connect_time request_time, i wait wait_us close_needed, s ptr link, i remote_pid, s tls application_name, " +
		"i prepared_statements id"
	socketBuffers = ", i recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail"
)

// ourColumns are what is different on database pgweir: columns of ours come behind
// PgBouncer's, id is INT8, and a counter has come to PgBouncer after 1.25.
var ourColumns = map[string]string{
	"pools":   "i sv_closing pinned listening sv_replication",
	"clients": "s settings pin", "servers": "s settings pin",
	"mem": "N shortages, q late_bytes",
}

func columnsOf(spec string) (out []field) {
	if spec == "" {
		return nil
	}
	letters := map[string]uint32{"i": oidInt4, "q": oidInt8, "s": oidText, "N": oidNumeric, "b": oidBytea}
	for part := range strings.SplitSeq(spec, ", ") {
		words := strings.Fields(part)
		for _, name := range words[1:] {
			out = append(out, field{name, letters[words[0]]})
		}
	}
	return out
}

func TestOnDatabasePgbouncerTheColumnsArePgBouncers(t *testing.T) {
	seen := 0
	for _, tab := range tables {
		spec, ok := pgbouncerTables[tab.name]
		if !ok {
			if tab.there != nil {
				t.Errorf("SHOW %s: PgBouncer has none", tab.name)
			}
			continue
		}
		seen++
		table := tab.table
		if tab.there != nil {
			table = tab.there
			if table.detail() < tab.table.detail() {
				t.Errorf("SHOW %s: less is read", tab.name)
			}
		}
		if got, want := table.fields(), columnsOf(spec); !slices.Equal(got, want) {
			t.Errorf("SHOW %s:\n%v, want\n%v", tab.name, got, want)
		}
	}
	if seen != len(pgbouncerTables) {
		t.Errorf("%d of PgBouncer's %d tables are there", seen, len(pgbouncerTables))
	}
}

func TestOnDatabasePgweirOurColumnsComeLast(t *testing.T) {
	for _, tab := range tables {
		spec, ok := pgbouncerTables[tab.name]
		if !ok {
			continue
		}
		var got, want []field
		for _, f := range tab.table.fields() {
			if !strings.HasSuffix(f.name, "client_login_count") {
				got = append(got, f)
			}
		}
		for _, f := range columnsOf(spec) {
			if f.name == "id" {
				f.oid = oidInt8
			}
			want = append(want, f)
		}
		if want = append(want, columnsOf(ourColumns[tab.name])...); !slices.Equal(got, want) {
			t.Errorf("SHOW %s:\n%v, want\n%v", tab.name, got, want)
		}
	}
}
