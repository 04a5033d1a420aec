package integration

import "testing"

// TestAPipelineThatNeverRunsDryGivesItsBackendBack: two of its queries are under
// way at any moment, and all the same others are served.
func TestAPipelineThatNeverRunsDryGivesItsBackendBack(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `query_wait_timeout = "10s"`, Database: "pool_size = 1"})
	busy, other := loginWire(t, w), loginWire(t, w)
	stop, stopped := make(chan struct{}), make(chan error, 1)
	q := simpleQuery("select pg_sleep(0.01)")
	busy.send(append(q, q...))
	go func() {
		for {
			if code, err := busy.answer(); code != "" || err != nil {
				t.Errorf("the pipeline reads %q, %v", code, err)
				stopped <- err
				return
			}
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := busy.write(q); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for range 20 {
		if code, err := other.roundTrip("select 1"); code != "" || err != nil {
			t.Fatalf("the other one reads %q, %v", code, err)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
