package email

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/emersion/go-smtp"
)

var errLogin = &smtp.SMTPError{Code: 535, Message: "wrong"}

// cramServer is the server's side of CRAM-MD5 (RFC 2195).
type cramServer struct {
	*session
	asked bool
}

// Next implements sasl.Server.
func (c *cramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	const question = "<1896.697170952@mail.example.com>"
	if !c.asked {
		c.asked = true
		return []byte(question), false, nil
	}
	mac := hmac.New(md5.New, []byte(password))
	mac.Write([]byte(question))
	if string(response) != username+" "+hex.EncodeToString(mac.Sum(nil)) {
		return nil, true, errLogin
	}
	c.loggedIn = true

	return nil, true, nil
}

// scramServer is the server's side of SCRAM-SHA-256 (RFC 7677).
type scramServer struct {
	*session
	step         int
	first, reply string
}

// Next implements sasl.Server.
func (s *scramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	const salt, rounds = "salt", 4096
	text := string(response)
	switch {
	case s.step == 0 && text == "":
		return nil, false, nil // The client sends its first message only now.
	case s.step == 0:
		s.step++
		s.first = strings.TrimPrefix(text, "n,,")
		_, nonce, _ := strings.Cut(s.first, ",r=")
		s.reply = "r=" + nonce + "more,s=" + base64.StdEncoding.EncodeToString([]byte(salt)) + ",i=4096"

		return []byte(s.reply), false, nil
	case s.step == 2:
		return nil, true, nil // The client has acknowledged our signature.
	}
	s.step++
	bare, proof, _ := strings.Cut(text, ",p=")
	salted, err := pbkdf2.Key(sha256.New, password, []byte(salt), rounds, sha256.Size)
	if err != nil {
		return nil, true, err
	}
	message := s.first + "," + s.reply + "," + bare
	key := sum(salted, "Client Key")
	stored := sha256.Sum256(key)
	subtle.XORBytes(key, key, sum(stored[:], message))
	if proof != base64.StdEncoding.EncodeToString(key) || !strings.Contains(s.first, username) {
		return nil, true, errLogin
	}
	s.loggedIn = true

	return []byte("v=" + base64.StdEncoding.EncodeToString(sum(sum(salted, "Server Key"), message))), false, nil
}

func sum(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))

	return mac.Sum(nil)
}
