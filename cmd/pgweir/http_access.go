package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"pgweir/config"
)

// usualHTTP is where a pgweir serves HTTP whose configuration says nothing else.
const usualHTTP = "http://127.0.0.1:9127"

// httpAccess says where a running pgweir serves HTTP, and how it is asked there, by
// flags or by its configuration.
type httpAccess struct {
	config                   string // the path of the configuration
	configGiven              bool   // somebody has named it
	url                      string // "": as the configuration has it
	tokenFile, ca, cert, key string // of flags; "" for none

	token string // that find has found; "": none
	tls   *tls.Config
	read  *config.Config // by find; nil: it has not needed it
}

func (a *httpAccess) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&a.config, "config", "c", "config.toml", "the configuration of the running pgweir, for what it says of HTTP")
	flags.StringVar(&a.url, "url", "", "where the running pgweir serves HTTP")
	flags.StringVar(&a.tokenFile, "token-file", "", "a file with the token for it, as http_token_file")
	flags.StringVar(&a.ca, "ca-file", "", "the authorities of its certificate (default: the system's)")
	flags.StringVar(&a.cert, "cert-file", "", "the certificate to show to it")
	flags.StringVar(&a.key, "key-file", "", "the key of that")
}

// find fills in what the flags leave open from the configuration, unless a URL was
// given. The file may be missing if nobody has named it.
func (a *httpAccess) find() error {
	a.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if a.url == "" {
		if err := a.fromConfig(); err != nil {
			return err
		}
	}
	if a.tokenFile != "" {
		token, err := config.ReadToken(a.tokenFile)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		a.token = token
	}
	if a.ca != "" {
		data, err := os.ReadFile(a.ca)
		if err != nil {
			return fmt.Errorf("--ca-file: %w", err)
		}
		a.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
		if !a.tls.RootCAs.AppendCertsFromPEM(data) {
			return fmt.Errorf("--ca-file: %s: no certificate in PEM form in it", a.ca)
		}
	}
	if a.cert == "" && a.key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(a.cert, a.key)
	if err != nil {
		return fmt.Errorf("--cert-file with --key-file: %w", err)
	}
	a.tls.Certificates = []tls.Certificate{pair}
	return nil
}

func (a *httpAccess) fromConfig() error {
	if _, err := os.Stat(a.config); errors.Is(err, fs.ErrNotExist) && !a.configGiven {
		a.url = usualHTTP
		return nil
	}
	c, _, err := readConfig(a.config)
	if err != nil {
		return fmt.Errorf("looking for http_listen (--url goes without): %w", err)
	}
	a.read = c
	if a.url, err = c.HTTPURL(); err != nil {
		return err
	}
	if c.HTTPTLSCertFile != "" {
		a.tls = pinned(c)
	}
	if a.tokenFile != "" {
		return nil
	}
	// What may not be read is for others; the server says whether it is needed.
	for _, path := range []string{c.HTTPAdminTokenFile, c.HTTPTokenFile} {
		if path == "" {
			continue
		}
		token, err := config.ReadToken(path)
		if err == nil {
			a.token = token
			break
		}
		if !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// pinned takes the certificate that the configuration names, and no other: it is
// for a name by which others come, and asked for by an address of this machine. It
// is read for each connection, as it may have been renewed.
func pinned(c *config.Config) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			files, err := c.ReadHTTPFiles()
			if err != nil {
				return err
			}
			keys, err := files.Parse(c)
			if err != nil {
				return err
			}
			if !bytes.Equal(s.PeerCertificates[0].Raw, keys.Certificate.Certificate[0]) {
				return errors.New("it shows another certificate than http_tls_cert_file; --url and --ca-file take one by its authority")
			}
			return nil
		},
	}
}
