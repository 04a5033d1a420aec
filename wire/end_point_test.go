package wire

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"testing"
)

func TestACertificatesEndPointIsItsHashByItsSignaturesFunction(t *testing.T) {
	raw := []byte("a certificate")
	short, middle, long := sha256.Sum256(raw), sha512.Sum384(raw), sha512.Sum512(raw)
	for algorithm := x509.UnknownSignatureAlgorithm; algorithm <= x509.PureEd25519; algorithm++ {
		var want []byte
		switch algorithm {
		case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1, // as RFC 5929 has it
			x509.SHA256WithRSA, x509.DSAWithSHA256, x509.ECDSAWithSHA256, x509.SHA256WithRSAPSS:
			want = short[:]
		case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
			want = middle[:]
		case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
			want = long[:]
		}
		got, err := ServerEndPoint(&x509.Certificate{Raw: raw, SignatureAlgorithm: algorithm})
		if !bytes.Equal(got, want) || (err != nil) != (want == nil) {
			t.Errorf("%v: %x, %v; want %x", algorithm, got, err, want)
		}
	}
}
