package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// images are those of the OCI archive, by their architecture.
func images(t *testing.T) map[string]v1.Image {
	t.Helper()
	dir := t.TempDir()
	must(t, "tar", "-C", dir, "-xf", built(t, "pgweir-[0-9]*-image.oci.tar"))
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := outer.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v, %v, want one index", manifest, err)
	}
	index, err := outer.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if manifest, err = index.IndexManifest(); err != nil {
		t.Fatal(err)
	}
	found := map[string]v1.Image{}
	for _, m := range manifest.Manifests {
		if m.Platform.OS != "linux" {
			t.Errorf("an image for %s", m.Platform.OS)
		}
		if found[m.Platform.Architecture], err = index.Image(m.Digest); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// unpacked is the file system of an image, and how it is to be run.
func unpacked(t *testing.T, img v1.Image) (root string, config v1.Config) {
	t.Helper()
	root = rootFolder(t)
	cmd := exec.Command("tar", "-C", root, "--same-owner", "-xpf", "-")
	files := mutate.Extract(img)
	defer files.Close()
	cmd.Stdin = files
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return root, file.Config
}

func TestTheImageServesAsANumericUserWithNothingToWriteTo(t *testing.T) {
	all := images(t)
	if all["amd64"] == nil || all["arm64"] == nil || len(all) != 2 {
		t.Fatalf("the images are %v", all)
	}
	root, config := unpacked(t, all[runtime.GOARCH])
	if config.User != "65532:65532" || !slices.Equal(config.Env, []string{"PATH=/usr/bin"}) {
		t.Errorf("it runs as %q with %q", config.User, config.Env)
	}
	if _, listed := config.ExposedPorts["6432/tcp"]; !listed {
		t.Errorf("it exposes %v", config.ExposedPorts)
	}
	if roots := read(t, root+"/etc/ssl/certs/ca-certificates.crt"); strings.Count(roots, "BEGIN CERTIFICATE") < 50 {
		t.Errorf("there are few authorities: %s", roots)
	}
	readOnly(t, root, func() {
		f, err := os.OpenFile(root+configPath, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(userApp); err != nil {
			t.Fatal(err)
		}
	})
	user := who{65532, 65532}
	s := start(t, user.in(root, nil, slices.Concat(config.Entrypoint, config.Cmd)...))
	probe := config.Healthcheck.Test
	if probe[0] != "CMD" {
		t.Fatalf("the probe is %q", probe)
	}
	user.healthy(t, root, probe[1:]...)
	asks(t, "-h", "127.0.0.1", "-p", "6432")
	s.ends(t, syscall.SIGTERM)
	if err := user.in(root, nil, probe[1:]...).Run(); err == nil {
		t.Error("it is healthy, and has ended")
	}
}

// readOnly makes a root read-only once change has been done.
func readOnly(t *testing.T, root string, change func()) {
	t.Helper()
	change()
	if err := syscall.Mount(root, root, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(root, syscall.MNT_DETACH) })
	if err := syscall.Mount("", root, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

// The lines are those of CloudNativePG's pooler: its manager runs /usr/bin/pgbouncer as
// the user 998, comes to the console by the Unix socket as the user pgbouncer of the
// operating system, and ends it with SIGINT.
const cnpgINI = `[databases]
* = host=127.0.0.1

[pgbouncer]
pool_mode = session
auth_user = cnpg_pooler
auth_query = SELECT usename, passwd FROM public.user_search($1)
auth_dbname = postgres

admin_users = pgbouncer
auth_file = /controller/configs/userlist.txt
auth_hba_file = /controller/configs/pg_hba.conf
auth_type = hba
client_tls_sslmode = prefer
client_tls_ca_file = /controller/configs/client-ca/ca.crt
client_tls_cert_file = /controller/configs/client-tls/tls.crt
client_tls_key_file = /controller/configs/client-tls/tls.key
ignore_startup_parameters = extra_float_digits,options
listen_addr = *
listen_port = 6544
log_stats = 0
server_tls_sslmode = prefer
server_tls_ca_file = /controller/configs/server-tls/ca.crt
unix_socket_dir = /controller/run
`

func TestTheImageIsAPoolerForCloudNativePG(t *testing.T) {
	root, _ := unpacked(t, images(t)[runtime.GOARCH])
	for _, sql := range []string{
		"create role cnpg_pooler login password 'pooler'",
		"create function public.user_search(uname text) returns table (usename name, passwd text) language sql security definer as 'select usename, passwd from pg_shadow where usename = $1'",
	} {
		must(t, "psql", "-h", pg.SocketDir, "-U", "postgres", "-c", sql)
	}
	configs := filepath.Join(root, "controller/configs")
	for _, dir := range []string{"client-ca", "client-tls", "server-tls"} {
		if err := os.MkdirAll(filepath.Join(configs, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=pooler", "-days", "365",
		"-keyout", configs+"/client-tls/tls.key", "-out", configs+"/client-tls/tls.crt")
	must(t, "cp", configs+"/client-tls/tls.crt", configs+"/client-ca/ca.crt")
	must(t, "cp", configs+"/client-tls/tls.crt", configs+"/server-tls/ca.crt")
	for name, text := range map[string]string{
		"pgbouncer.ini": cnpgINI,
		"userlist.txt":  "\"cnpg_pooler\" \"pooler\"\n",
		"pg_hba.conf":   "local pgbouncer pgbouncer peer\n\nhost all all 0.0.0.0/0 md5\nhost all all ::/0 md5\n",
	} {
		if err := os.WriteFile(filepath.Join(configs, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	user := userOf(t, root, "pgbouncer")
	if user != (who{998, 996}) {
		t.Errorf("pgbouncer is %v", user)
	}
	run := filepath.Join(root, "controller/run")
	if err := os.MkdirAll(run, 0o777); err != nil {
		t.Fatal(err)
	}
	must(t, "chown", "-R", "998:996", filepath.Join(root, "controller"))
	s := start(t, user.in(root, nil, "/usr/bin/pgbouncer", "/controller/configs/pgbouncer.ini"))
	console := func() ([]byte, error) {
		cmd := exec.Command("psql", "-h", run, "-p", "6544", "-U", "pgbouncer", "-d", "pgbouncer", "-Atc", "SHOW POOLS")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user.uid, Gid: user.gid}}
		cmd.Dir = "/"
		return cmd.CombinedOutput()
	}
	eventually(t, "its manager is let in to the console", console)
	asks(t, "-h", "127.0.0.1", "-p", "6544")
	if out, err := console(); err != nil || !strings.Contains(string(out), "postgres|app|") {
		t.Errorf("SHOW POOLS: %v: %s", err, out)
	}
	s.ends(t, syscall.SIGINT)
}

func TestDockersArchivesHaveTheSameImages(t *testing.T) {
	for arch, want := range images(t) {
		img, err := tarball.ImageFromPath(built(t, "pgweir-[0-9]*-image-linux-"+arch+".tar"), nil)
		if err != nil {
			t.Fatal(err)
		}
		a, errA := want.ConfigName()
		b, errB := img.ConfigName()
		if errA != nil || errB != nil || a != b {
			t.Errorf("%s: %s (%v) and %s (%v)", arch, a, errA, b, errB)
		}
	}
}
