package cluster

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The test starts itself again as a process that runs a cluster, and kills
// that with SIGKILL.
func TestServerDoesNotOutliveAKilledParent(t *testing.T) {
	const role = "PGWEIR_TEST_CLUSTER_OWNER"
	if os.Getenv(role) != "" {
		c, err := Start(t.Context(), find(t), Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("cluster in", c.Dir)
		select {}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), role+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dir, ok := strings.CutPrefix(strings.TrimSpace(line), "cluster in ")
	if err != nil || !ok {
		t.Fatalf("%q, %v", line, err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := dir + "/data"
	if pids, err := processesIn(data); err != nil || len(pids) < 4 {
		t.Fatalf("running: %v, %v", pids, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it says that it was killed
	eventually(t, "its processes end", func() bool {
		pids, err := processesIn(data)
		return err == nil && len(pids) == 0
	})
}
