package integration

import "testing"

// TestChannelsInABlockAreAsDirectly: what a block shows of the channels, and what
// its end leaves of them.
func TestChannelsInABlockAreAsDirectly(t *testing.T) {
	t.Parallel()
	hears := func(text, types string) step { return step{say(query(text)), types} }
	channels := "select * from pg_listening_channels() order by 1"
	count := sql("select count(*) from pg_listening_channels()")
	for name, steps := range map[string][]step{
		"they are shown": {
			sql("listen c"), sql("listen d"), sql("begin"), sql(channels), sql("select 1"), sql(channels), sql("listen e"), sql("unlisten d"), sql(channels),
			sql("commit"), sql(channels), sql("begin; " + channels + "; commit"),
			talk(join(extended("begin"), say(sync_))...), talk(join(extended(channels), say(sync_))...), talk(join(extended("rollback"), say(sync_))...),
			hears("notify e, 'x'", "AZ"), sql("notify d, 'x'"), sql("unlisten *"), count},
		"an UNLISTEN behind a savepoint": {
			sql("listen c"), sql("listen d"),
			sql("begin"), sql("savepoint s"), sql("unlisten c"), sql("rollback to s"), sql("commit"), hears("notify c, '1'", "AZ"), sql(channels),
			sql("begin"), sql("unlisten c"), sql("savepoint s"), sql("rollback to s"), sql("commit"), sql("notify c, '2'"), sql(channels),
			sql("begin"), sql("savepoint s"), sql("unlisten *"), sql("rollback to s"), sql("unlisten c"), sql("commit"), hears("notify d, '3'", "AZ"), sql(channels),
			sql("begin"), sql("savepoint s"), sql("unlisten *"), sql("rollback to s"), sql("listen c"), sql("commit"), hears("notify c, '4'; notify d, '5'", "AAZ"), sql(channels),
			sql("begin"), sql("unlisten d"), sql("rollback"), hears("notify d, '6'", "AZ"), sql(channels)},
		"LISTEN and COMMIT AND CHAIN": {
			sql("begin"), sql("listen c"), sql("commit and chain"), sql("notify c, '1'"), hears("commit", "AZ"), hears("notify c, '2'", "AZ"), sql(channels),
			sql("begin"), sql("listen d"), sql("commit and chain"), sql("notify c, '3'"), sql("notify d, '4'"), hears("commit", "AAZ"),
			sql("unlisten d"), hears("notify d; notify c, '5'", "AZ"), sql("unlisten *"), count,
			sql("listen c"), sql("begin"), sql("listen d"), sql("commit and chain"), sql("notify d, '6'"), hears("commit", "AZ"), hears("notify c, '7'", "AZ"), sql(channels),
			hears("begin; listen e; commit; notify e, '8'", "AZ"), sql("unlisten *"), sql("notify c"), count},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Database: "pool_size = 3"})
			other := connect(t, w.DSN(simpleProtocol))
			sameAsDirectly(t, w, script{steps: steps}, func() { must(t, other, "select 1") })
		})
	}
}
