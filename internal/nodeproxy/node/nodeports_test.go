package node

import (
	"strings"
	"testing"
)

func TestNodePortAddressesAreReadAsKubeProxyReadsThem(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"primary", "primary"},
		{" primary ", "primary"},
		{"10.0.0.0/8", "10.0.0.0/8"},
		{"192.168.1.7/24, fd00::/8", "192.168.1.0/24,fd00::/8"},
		{"0.0.0.0/0,::/0", "0.0.0.0/0,::/0"},
	} {
		got, err := ParseNodePortAddresses(tc.text)
		if err != nil || got.String() != tc.want {
			t.Errorf("%q: got %v, %v, want %s", tc.text, got, err, tc.want)
		}
	}
}

func TestWrongNodePortAddressesAreRefusedWithWhatToWrite(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", `write "primary", or prefixes such as 10.0.0.0/8,fd00::/8`},
		{",", `write "primary"`},
		{"primary,10.0.0.0/8", `"primary" stands alone`},
		{"10.0.0.0/8,primary", `"primary" stands alone`},
		{"10.0.0.1", "write 10.0.0.1/32"},
		{"fd00::1", "write fd00::1/128"},
		{"10.0.0.0/33", `"10.0.0.0/33" is no prefix`},
		{"eth0", `"eth0" is no prefix`},
		{"::ffff:10.0.0.0/104", "write it as IPv4"},
		{"127.0.0.0/8", "--nodeport-localhost"},
		{"10.0.0.0/8,::1/128", "--nodeport-localhost"},
	} {
		if got, err := ParseNodePortAddresses(tc.text); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: got %v, %v, want an error with %q", tc.text, got, err, tc.want)
		}
	}
}

// FuzzNodePortAddressesAreReadOrRefused reads whatever a flag may say: what is read is written so that it is read again.
func FuzzNodePortAddressesAreReadOrRefused(f *testing.F) {
	for _, seed := range []string{"primary", "10.0.0.0/8", "10.0.0.0/8,fd00::/8", " 10.1.2.3/8 ,", "", ",", "10.0.0.1", "127.0.0.0/8", "127.0.0.1/7",
		"::1/128", "::ffff:10.0.0.0/104", "primary,10.0.0.0/8", "0.0.0.0/0", "fe80::%eth0/64"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, err := ParseNodePortAddresses(text)
		if err != nil {
			if err.Error() == "" || read.Prefixes != nil {
				t.Errorf("%q: got %v and an error: %v", text, read, err)
			}
			return
		}
		for _, p := range read.Prefixes {
			if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
				t.Errorf("%q: got %s", text, p)
			}
		}
		again, err := ParseNodePortAddresses(read.String())
		if err != nil || again.String() != read.String() {
			t.Errorf("%q is written as %q, which is read as %q: %v", text, read, again, err)
		}
	})
}
