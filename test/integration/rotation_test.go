package integration

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rotationSettle is how long a new certificate waits in these tests.
const rotationSettle = time.Second

// TestACertificateRotationUnderAHundredCreatesASecondFailsNoneAndLeavesNoneUnnumbered needs the machine, so it runs by
// itself.
func TestACertificateRotationUnderAHundredCreatesASecondFailsNoneAndLeavesNoneUnnumbered(t *testing.T) {
	w := onSecond(t)
	d := w.deploy(2)
	shop := w.namespace("shop")
	numbers := w.allot(3000)
	w.pool("team-a", numbers, serving(shop), holding(0))
	load := w.createSteadily(100, shop, numbers)
	onlookers := d.lookOn()
	for _, section := range []string{"Renew the certificate", "Renew the authority too"} {
		before := d.served()
		w.follow("howto/renew-certificate.md", section)
		w.eventually("all replicas serve a new certificate", func() error {
			now := d.served()
			for i := range now {
				if now[i].Equal(before[i]) || !now[i].Equal(now[0]) {
					return fmt.Errorf("replica %d serves what it served, or something else than the first", i)
				}
			}
			return nil
		})
		load.await(50)
	}
	onlookers.end()
	w.follow("howto/renew-certificate.md", "Distrust former authorities") // and so the API server connects anew
	load.await(50)
	load.end()
	if left := bytes.Count(w.bundle(), []byte("BEGIN CERTIFICATE")); left != 1 {
		t.Errorf("the webhooks trust %d authorities, want one", left)
	}
}

// served are the certificates that the replicas serve.
func (d *deployment) served() (leaves []*x509.Certificate) {
	d.Helper()
	for _, m := range d.members {
		conn, err := tls.Dial("tcp", m.endpoint, &tls.Config{InsecureSkipVerify: true}) // which one it is, is the question
		d.must(err)
		leaves = append(leaves, conn.ConnectionState().PeerCertificates[0])
		_ = conn.Close()
	}
	return leaves
}

// onlookers connect to the replicas again and again, as API servers do that are behind the webhook configurations by about
// half of rotationSettle: the one of the test is seldom behind at all.
type onlookers struct {
	stop    chan struct{}
	working sync.WaitGroup
}

// sight is whom the webhooks trusted at a time or after it.
type sight struct {
	at     time.Time
	bundle []byte
}

func (d *deployment) lookOn() *onlookers {
	o := &onlookers{stop: make(chan struct{})}
	endpoints := []string{d.members[0].endpoint, d.members[1].endpoint}
	o.working.Go(func() {
		var sights []sight
		ticker := time.NewTicker(rotationSettle / 20)
		defer ticker.Stop()
		for {
			select {
			case <-o.stop:
				return
			case now := <-ticker.C:
				sights = append(sights, sight{now, d.bundle()})
			}
			for len(sights) > 1 && time.Since(sights[1].at) > rotationSettle/2 {
				sights = sights[1:]
			}
			for i, endpoint := range endpoints {
				err := connect(endpoint, sights[0].bundle)
				if err != nil && time.Since(sights[0].at) < rotationSettle { // else this machine is too slow to tell
					d.Errorf("replica %d: %v", i, err)
					return
				}
			}
		}
	})
	return o
}

func (o *onlookers) end() {
	close(o.stop)
	o.working.Wait()
}

// bundle is whom the mutating webhook trusts.
func (w *world) bundle() []byte {
	configuration := &admissionv1.MutatingWebhookConfiguration{}
	if err := w.Get(w.Context(), client.ObjectKey{Name: "portolan-mutating-webhook-configuration"}, configuration); err != nil {
		w.Error(err)
		return nil
	}
	return configuration.Webhooks[0].ClientConfig.CABundle
}

func connect(endpoint string, bundle []byte) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return errors.New("the webhook trusts nobody")
	}
	conn, err := (&tls.Dialer{
		NetDialer: &net.Dialer{Timeout: patience},
		Config:    &tls.Config{RootCAs: roots, ServerName: "localhost"},
	}).Dial("tcp", endpoint)
	if err != nil {
		return err
	}
	return conn.Close()
}
