package wire

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
)

// ServerEndPoint is a certificate's data for channel binding, of the type
// tls-server-end-point: the hash of the whole certificate by the hash function
// of its signature, where SHA-256 takes the place of MD5 and SHA-1 (RFC 5929,
// section 4.1). It has 32, 48 or 64 bytes. It is an error if the signature has
// no hash function (Ed25519) or one that is not known here: nothing is defined
// for these certificates, and exchanges over them cannot be bound.
func ServerEndPoint(cert *x509.Certificate) ([]byte, error) {
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.DSAWithSHA256, x509.ECDSAWithSHA256, x509.SHA256WithRSAPSS:
		sum := sha256.Sum256(cert.Raw)
		return sum[:], nil
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		sum := sha512.Sum384(cert.Raw)
		return sum[:], nil
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		sum := sha512.Sum512(cert.Raw)
		return sum[:], nil
	}
	return nil, fmt.Errorf("no channel binding is defined for a certificate signed with %v", cert.SignatureAlgorithm)
}
