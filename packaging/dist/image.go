package main

import (
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// imageUser is who the image runs as, and bouncerUser whom CloudNativePG runs it as: its
// manager comes to the console as the user "pgbouncer" of the operating system (peer).
const (
	imageUser    = 65532
	bouncerUser  = 998
	bouncerGroup = 996
)

// rootfs is the one layer of an image.
type rootfs struct {
	target target
	path   string
}

func (r *release) rootfs(t target) (rootfs, error) {
	roots, err := authorities()
	if err != nil {
		return rootfs{}, err
	}
	passwd := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\npgbouncer:x:%d:%d:pgbouncer:/:/sbin/nologin\npgweir:x:%d:%[3]d:pgweir:/:/sbin/nologin\n", bouncerUser, bouncerGroup, imageUser)
	group := fmt.Sprintf("root:x:0:\npgbouncer:x:%d:\npgweir:x:%d:\n", bouncerGroup, imageUser)
	var entries []entry
	for _, dir := range []string{"etc/", "etc/pgweir/", "etc/ssl/", "etc/ssl/certs/", "run/", "usr/", "usr/bin/", "usr/share/", "usr/share/doc/", "usr/share/doc/pgweir/", "var/"} {
		entries = append(entries, entry{name: dir, dir: true, mode: 0o755})
	}
	doc := "usr/share/doc/pgweir/"
	entries = append(entries,
		entry{name: "tmp/", dir: true, mode: 0o1777},
		entry{name: "run/pgweir/", dir: true, mode: 0o755, id: imageUser},
		entry{name: "var/run", link: "/run", mode: 0o777},
		entry{name: "usr/bin/pgweir", from: r.binary(t), mode: 0o755},
		// Under this name it takes PgBouncer's options and its pgbouncer.ini.
		entry{name: "usr/bin/pgbouncer", link: "pgweir", mode: 0o777},
		entry{name: "etc/passwd", data: []byte(passwd), mode: 0o644},
		entry{name: "etc/group", data: []byte(group), mode: 0o644},
		entry{name: "etc/ssl/certs/ca-certificates.crt", data: roots, mode: 0o644},
		entry{name: "etc/pgweir/config.toml", from: filepath.Join(r.work, "config-image.toml"), mode: 0o644},
		entry{name: doc + "LICENSE", from: filepath.Join(r.root, "LICENSE"), mode: 0o644},
		entry{name: doc + "THIRD_PARTY_LICENSES", from: r.licensesOf(t), mode: 0o644},
	)
	path := filepath.Join(r.out, "pgweir-rootfs-"+t.String()+".tar.gz")
	return rootfs{t, path}, writeTarGz(path, entries, r.at)
}

// authorities are the roots of Mozilla, as a library has them, so that they do not
// depend on this machine. Those that are good for some certificates only are left out:
// the file cannot say so.
func authorities() ([]byte, error) {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	if b.Len() == 0 {
		return nil, errors.New("there are no authorities of certificates")
	}
	return b.Bytes(), nil
}

// image writes the image of all Linux targets as an OCI archive, one for Docker of each,
// and the Dockerfile that says the same.
func (r *release) image(roots []rootfs) error {
	if len(roots) == 0 {
		return nil
	}
	text, err := os.ReadFile(r.file("Dockerfile"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, "Dockerfile"), text, 0o644); err != nil {
		return err
	}
	config, err := imageConfig(text)
	if err != nil {
		return fmt.Errorf("Dockerfile: %w", err)
	}
	config.Labels["org.opencontainers.image.version"] = r.version
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, root := range roots {
		img, err := r.imageOf(root, config)
		if err != nil {
			return err
		}
		platform := &v1.Platform{OS: root.target.os, Architecture: root.target.arch}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platform}})
		tag, err := name.NewTag("pgweir:" + r.version)
		if err != nil {
			return err
		}
		if err := r.dockerArchive(root.target, tag, img); err != nil {
			return err
		}
	}
	dir := filepath.Join(r.work, "oci")
	outer := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"org.opencontainers.image.ref.name": r.version},
	}})
	if _, err := layout.Write(dir, outer); err != nil {
		return err
	}
	entries, err := treeOf(dir)
	if err != nil {
		return err
	}
	return writeTar(filepath.Join(r.out, "pgweir-"+r.version+"-image.oci.tar"), entries, r.at)
}

func (r *release) imageOf(root rootfs, config v1.Config) (v1.Image, error) {
	layer, err := tarball.LayerFromFile(root.path, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "make dist", Created: v1.Time{Time: r.at}}})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created, file.Config = root.target.os, root.target.arch, v1.Time{Time: r.at}, config
	return mutate.ConfigFile(img, file)
}

// dockerArchive is what `docker load` takes of every version.
func (r *release) dockerArchive(t target, tag name.Tag, img v1.Image) (err error) {
	f, err := os.Create(filepath.Join(r.out, "pgweir-"+r.version+"-image-"+t.String()+".tar"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return tarball.Write(tag, img, f)
}

func (r *release) gzipFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, in); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(to, b.Bytes(), 0o644)
}
