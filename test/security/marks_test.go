package security

import (
	"encoding/base64"
	"testing"
)

// width is how many characters in a row tell that a secret stands in a text: fewer than a line of a hexadecimal dump shows.
const width = 12

// marks are what tells that secrets stand in a text, whole or in part: as they are, or as JSON has bytes.
type marks struct {
	of map[string]string // the secret, by any so many of its characters in a row
}

func newMarks() *marks { return &marks{of: map[string]string{}} }

// add takes in a secret. What all keys and certificates begin with is none.
func (m *marks) add(name string, secret []byte) {
	const preamble = 64
	for _, text := range []string{string(secret), base64.StdEncoding.EncodeToString(secret)} {
		for i := preamble; i+width <= len(text)-preamble; i++ {
			m.of[text[i:i+width]] = name
		}
	}
}

// in is the name of a secret that stands in a text, "" if there is none.
func (m *marks) in(text []byte) string {
	for i := 0; i+width <= len(text); i++ {
		if name := m.of[string(text[i:i+width])]; name != "" {
			return name
		}
	}
	return ""
}

func TestAPartOfASecretIsFoundHoweverItIsWritten(t *testing.T) {
	secret := make([]byte, 300)
	for i := range secret {
		secret[i] = byte('0' + i*i%71)
	}
	m := newMarks()
	m.add("key", secret)
	for what, text := range map[string]string{
		"as it is": "a " + string(secret), "in JSON": `{"a":"` + base64.StdEncoding.EncodeToString(secret) + `"}`,
		"in part": "|" + string(secret[128:144]) + "|",
	} {
		if m.in([]byte(text)) != "key" {
			t.Errorf("it is not found %s", what)
		}
	}
	if found := m.in([]byte("no secret stands in this, however long it is and whatever else it says")); found != "" {
		t.Errorf("%s is found", found)
	}
}
