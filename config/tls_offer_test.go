package config

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
)

func TestVersionsOfTLSAreReadAsPgBouncerDoes(t *testing.T) {
	const v12, v13 = tls.VersionTLS12, tls.VersionTLS13
	for text, want := range map[string][2]uint16{
		`"secure"`: {v12, v13}, `"all"`: {v12, v13}, `"legacy"`: {v12, v13},
		`"tlsv1.2"`: {v12, v12}, `"tlsv1.3"`: {v13, v13}, `"TLSv1.3"`: {v13, v13},
		`"tlsv1.2,tlsv1.3"`: {v12, v13}, `"tlsv1.3:tlsv1.2"`: {v12, v13}, `["tlsv1.3", "tlsv1.2"]`: {v12, v13},
	} {
		for _, side := range []string{"client", "server"} {
			c := mustParse(t, side+"_tls_protocols = "+text)
			o := c.ClientTLSOffer
			if side == "server" {
				o = c.ServerTLSOffer
			}
			if o.Min != want[0] || o.Max != want[1] {
				t.Errorf("%s of %s: %x to %x", text, side, o.Min, o.Max)
			}
		}
	}
}

func TestCipherSuitesHaveOpenSSLsNamesAndGos(t *testing.T) {
	const a, b = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
	for text, want := range map[string][]uint16{
		"": nil, "default": nil, "secure": nil, "fast": nil, "normal": nil, "all": nil, "DEFAULT": nil,
		"ECDHE-RSA-AES128-GCM-SHA256":                                               {a},
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":                                     {a},
		"ecdhe-rsa-aes128-gcm-sha256:TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": {a, b},
		"ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-RSA-AES128-GCM-SHA256":                {b, a},
	} {
		if c := mustParse(t, "server_tls_ciphers = '"+text+"'"); !slices.Equal(c.ServerTLSOffer.Suites, want) {
			t.Errorf("%q: %x", text, c.ServerTLSOffer.Suites)
		}
	}
}

// TestEveryNameOfOpenSSLsIsASuiteOfGos, and the other way round.
func TestEveryNameOfOpenSSLsIsASuiteOfGos(t *testing.T) {
	var own []string
	for _, s := range tls.CipherSuites() {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
			own = append(own, s.Name)
		}
	}
	var mapped []string
	for _, name := range opensslNames {
		mapped = append(mapped, name)
	}
	slices.Sort(own)
	slices.Sort(mapped)
	if !slices.Equal(own, mapped) {
		t.Errorf("Go has  %q\nmapped are %q", own, mapped)
	}
}

func TestTheSuitesOfTLS13CannotBeChosen(t *testing.T) {
	const all = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
	for _, text := range []string{"", "default", all, "tls_aes_128_gcm_sha256,TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256"} {
		mustParse(t, "client_tls13_ciphers = '"+text+"'")
	}
}

func TestWhatOfTLSIsNotSpokenIsRefusedWithTheReason(t *testing.T) {
	for text, want := range map[string]string{
		"client_tls_protocols = 'tlsv1.1'":                       `client_tls_protocols: "tlsv1.1" is not spoken: TLS 1.0 and 1.1 are broken`,
		"server_tls_protocols = 'tlsv1.0,tlsv1.2'":               `server_tls_protocols: "tlsv1.0" is not spoken`,
		"server_tls_protocols = 'sslv3'":                         `it is one of secure, all, tlsv1.2, tlsv1.3`,
		"server_tls_protocols = ''":                              `names no version`,
		"client_tls_ciphers = 'HIGH:!aNULL'":                     `"HIGH" is not known; write "default", or names with colons between (classes and operators of OpenSSL's are not read): ECDHE-ECDSA-AES128-GCM-SHA256, `,
		"client_tls_ciphers = 'TLS_RSA_WITH_AES_128_GCM_SHA256'": `Go counts it among the insecure ones`,
		"client_tls_ciphers = 'TLS_AES_128_GCM_SHA256'":          `is of TLS 1.3, whose suites cannot be chosen`,
		"client_tls_ciphers = ':'":                               `names no cipher suite`,
		"server_tls13_ciphers = 'TLS_AES_128_GCM_SHA256'":        `server_tls13_ciphers: the cipher suites of TLS 1.3 cannot be chosen: Go, in which pgweir is written, always offers`,
		"server_tls_negotiation = 'direct'":                      `server_tls_negotiation: "direct" needs a server_tls_sslmode of "require", "verify-ca" or "verify-full", and it is "prefer"`,
	} {
		if _, err := Parse("config.toml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
	mustParse(t, "server_tls_negotiation = 'direct'\nserver_tls_sslmode = 'require'")
}
