package wire

import "testing"

func TestMD5SecretAndResponseAreThoseOfPostgreSQL(t *testing.T) {
	// SELECT 'md5' || md5('pencil' || 'ann'), and of that with the salt.
	const secret, response = "md528754acffc5400623f44a44d30b50393", "md54933d913ee8ea3c8d73c6322de31508f"
	if got := MD5Secret("ann", "pencil"); got != secret {
		t.Errorf("secret %s, want %s", got, secret)
	}
	salt := [4]byte([]byte("salt"))
	if got := MD5Response(secret, salt); got != response {
		t.Errorf("response %s, want %s", got, response)
	}
	if !CheckMD5(secret, response, salt) {
		t.Error("the right response is refused")
	}
	for _, wrong := range []string{"", "md5", secret, response[:34], response + "0", "md4" + response[3:]} {
		if CheckMD5(secret, wrong, salt) {
			t.Errorf("%q is accepted", wrong)
		}
	}
	if CheckMD5(secret, response, [4]byte([]byte("tlas"))) {
		t.Error("a response to another salt is accepted")
	}
}

func TestIsMD5SecretTellsSecretsFromPasswords(t *testing.T) {
	for s, want := range map[string]bool{
		"md50123456789abcdef0123456789abcdef":  true,
		"md50123456789ABCDEF0123456789abcdef":  false,
		"md50123456789abcdef0123456789abcde":   false,
		"md50123456789abcdef0123456789abcdef0": false,
		"MD50123456789abcdef0123456789abcdef":  false,
		"md5g123456789abcdef0123456789abcdef":  false,
		"":                                     false,
	} {
		if got := IsMD5Secret(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
