package certificate

import (
	"crypto/tls"
	"testing"
	"time"
)

func TestACertificateIsServedOnceItHasBeenTrustedForAWhile(t *testing.T) {
	began := time.Now().Truncate(time.Second)
	certificate := func(data map[string][]byte) *tls.Certificate {
		pair, err := tls.X509KeyPair(data[serverCert], data[serverKey])
		if err != nil {
			t.Fatal(err)
		}
		return &pair
	}
	old := certificate(quickly(t, nil, everything, began.Add(-2*inStep)))
	fresh := certificate(quickly(t, nil, everything, began))
	known, handingOver, unknown := trust{true, true, true}, trust{true, true, false}, trust{false, true, false}

	type look struct {
		after   time.Duration // the start
		offered *tls.Certificate
		trust
		serves *tls.Certificate
		wait   time.Duration
	}
	for _, tc := range []struct {
		name  string
		looks []look
	}{
		{"a replica starts, and all is in step", []look{{0, old, known, old, 0}}},
		{"a replica starts after a handover", []look{{0, old, handingOver, old, 0}}},
		{"the first certificate of all", []look{
			{0, fresh, unknown, nil, 0},
			{time.Minute, fresh, known, nil, settleFirst},
			{time.Minute + settleFirst, fresh, known, fresh, 0},
		}},
		{"a replica starts amid a handover", []look{
			{time.Second, fresh, handingOver, nil, settle},
			{time.Second + settle, fresh, handingOver, fresh, 0},
		}},
		{"a new authority", []look{
			{0, old, known, old, 0},
			{time.Second, fresh, unknown, old, 0},
			{3 * time.Second, fresh, handingOver, old, settle},
			{9 * time.Second, fresh, handingOver, old, settle - 6*time.Second},
			{3*time.Second + settle, fresh, handingOver, fresh, 0},
		}},
		{"the trust is seen before the certificate", []look{
			{0, old, known, old, 0},
			{time.Minute, fresh, handingOver, old, settle},
			{time.Minute + settle, fresh, handingOver, fresh, 0},
		}},
		{"the trust goes again", []look{
			{0, old, known, old, 0},
			{time.Second, fresh, handingOver, old, settle},
			{2 * time.Second, fresh, unknown, old, 0},
			{2 * settle, fresh, handingOver, old, settle},
		}},
		{"what is served is not trusted any more", []look{
			{0, old, known, old, 0},
			{time.Second, fresh, trust{offered: true}, fresh, 0},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := handover{settle: settle}
			for _, l := range tc.looks {
				wait := h.offer(l.offered, l.trust, began.Add(l.after))
				if h.serving != l.serves || wait != l.wait {
					t.Errorf("after %s: it waits %s, want %s; serves the right one: %t", l.after, wait, l.wait, h.serving == l.serves)
				}
			}
		})
	}
}
