package certificate

import (
	"bytes"
	"maps"
	"testing"
	"time"
)

const calledName = "webhook.example.svc"

func TestWhatIsDueIsMadeAnewAndNothingElse(t *testing.T) {
	now := time.Now()
	good, err := renew(nil, everything, []string{calledName, "localhost"}, now)
	if err != nil {
		t.Fatal(err)
	}
	without := func(key string) map[string][]byte {
		data := maps.Clone(good)
		delete(data, key)
		return data
	}
	for _, tc := range []struct {
		name  string
		data  map[string][]byte
		at    time.Time
		calls string
		want  renewal
	}{
		{"an empty Secret", nil, now, calledName, everything},
		{"all is well", good, now, calledName, nothing},
		{"until three months before the end", good, now.Add(serverLifetime - ahead - time.Minute), calledName, nothing},
		{"the server's ends", good, now.Add(serverLifetime - ahead + time.Minute), calledName, server},
		{"the authority's ends", good, now.Add(authorityLifetime - ahead + time.Minute), calledName, everything},
		{"another name is called", good, now, "other.example.svc", server},
		{"no server certificate", without(serverCert), now, calledName, server},
		{"no server key", without(serverKey), now, calledName, server},
		{"no authority", without(authorityCert), now, calledName, everything},
		{"no key of the authority", without(authorityKey), now, calledName, everything},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := due(tc.data, tc.calls, tc.at); got != tc.want {
				t.Fatalf("due is %d, want %d", got, tc.want)
			}
			renewed, err := renew(tc.data, tc.want, []string{tc.calls, "localhost"}, tc.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := due(renewed, tc.calls, tc.at); got != nothing {
				t.Errorf("after the renewal %d is due", got)
			}
			if kept := bytes.Equal(renewed[authorityCert], tc.data[authorityCert]); kept != (tc.want != everything) {
				t.Errorf("the authority was kept: %t", kept)
			}
			for _, name := range []string{tc.calls, "localhost"} {
				if leaf := certificatesIn(renewed[serverCert])[0]; !trusts(renewed[authorityCert], leaf, name, tc.at) {
					t.Errorf("the certificate is not trusted for %s", name)
				}
			}
		})
	}
}
