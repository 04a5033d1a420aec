package wire

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
)

// MD5Secret is what PostgreSQL stores of a password under
// password_encryption = md5: "md5" and 32 hexadecimal digits.
func MD5Secret(user, password string) string {
	return "md5" + hexMD5(password, user)
}

// IsMD5Secret tells whether s has the shape of an MD5 secret, as PostgreSQL
// tells it: the digits are in lower case.
func IsMD5Secret(s string) bool {
	if len(s) != 35 || s[:3] != "md5" {
		return false
	}
	for _, c := range s[3:] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// MD5Response is the answer to AuthenticationMD5Password, as it stands in the
// PasswordMessage, of whoever knows the secret.
func MD5Response(secret string, salt [4]byte) string {
	if len(secret) >= 3 {
		secret = secret[3:]
	}
	return "md5" + hexMD5(secret, string(salt[:]))
}

// CheckMD5 tells in constant time whether response answers the salt.
func CheckMD5(secret, response string, salt [4]byte) bool {
	want := MD5Response(secret, salt)
	return subtle.ConstantTimeCompare([]byte(want), []byte(response)) == 1
}

func hexMD5(a, b string) string {
	sum := md5.Sum([]byte(a + b))
	return hex.EncodeToString(sum[:])
}
