package faults

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

const (
	churnedNamespaces = 9 // in each round
	churnedServices   = 4 // in each of them
	churnRounds       = 3 // at least; what is needed at all is there after the first
	churners          = 4 // write at a time
)

func TestOfNamespacesThatComeAndGoByTheHundredNothingIsLeft(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0], w.Remote[0])
	w.settle()
	flows := w.openAtPace(w.both(svc), 20*time.Millisecond)
	w.churn(0)
	first, before := w.footprint(), w.held().Canonical()
	round := 1
	for began := time.Now(); round < churnRounds || time.Since(began) < long(0); round++ {
		w.churn(round)
		w.settle() // the sentinel is another one each time
		w.wantSameCount(before)
	}
	last := w.footprint()
	t.Logf("after a round of %d Services in %d namespaces: %+v; after %d: %+v", churnedNamespaces*churnedServices, churnedNamespaces, first, round, last)
	last.wantLike(t, first)
	flows.wantOne()
	w.wantAsFresh()
}

// churn makes namespaces with Services, and when the node serves them, deletes them, and waits until the node has seen that.
func (w *world) churn(round int) {
	w.Helper()
	w.inEach(round, w.fillNamespace)
	w.settle()
	if n := len(w.held()); n < 10*churnedNamespaces*churnedServices {
		w.Errorf("with all Services there are %d elements", n)
	}
	w.inEach(round, w.clearNamespace)
	w.settle()
}

// inEach does something with each namespace of a round, several at a time.
func (w *world) inEach(round int, do func(ctx context.Context, namespace string) error) {
	w.Helper()
	names := make(chan string)
	errs := make(chan error, churners)
	var working sync.WaitGroup
	for range churners {
		working.Go(func() {
			var failed error
			for name := range names {
				if failed == nil {
					failed = do(w.Context(), name)
				}
			}
			errs <- failed
		})
	}
	for i := range churnedNamespaces {
		names <- fmt.Sprintf("%s-churn-%d-%d", w.namespace, round, i)
	}
	close(names)
	working.Wait()
	for range churners {
		w.must(<-errs)
	}
}

// fillNamespace makes a namespace with Services of several kinds.
func (w *world) fillNamespace(ctx context.Context, namespace string) error {
	_, err := w.api().CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	for i := range churnedServices {
		name := fmt.Sprintf("%s/service-%d", namespace, i)
		service := st.MakeService(name).NodePort(80, 0, st.Named("tcp")).NodePort(80, 0, st.Named("udp"), st.UDP)
		if i == 0 {
			service.Affinity(time.Hour)
		}
		svc := service.Obj()
		svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack)
		if _, err := w.api().CoreV1().Services(namespace).Create(ctx, svc, metav1.CreateOptions{}); err != nil {
			return err
		}
		for _, slice := range []*st.Slice{st.MakeSlice(name, "ipv4"), st.MakeSlice(name, "ipv6").IPv6()} {
			like := netip.IPv4Unspecified()
			if strings.HasSuffix(slice.Obj().Name, "ipv6") {
				like = netip.IPv6Unspecified()
			}
			for _, pod := range w.Local[:1+i%3] {
				slice.Endpoint(pod.AddressLike(like).String())
			}
			if _, err := w.api().DiscoveryV1().EndpointSlices(namespace).Create(ctx, w.ports(slice).Obj(), metav1.CreateOptions{}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) clearNamespace(ctx context.Context, namespace string) error {
	if err := w.api().DiscoveryV1().EndpointSlices(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return err
	}
	// All at once: the typed client does not know that of Services.
	if err := w.api().CoreV1().RESTClient().Delete().Namespace(namespace).Resource("services").Do(ctx).Error(); err != nil {
		return err
	}
	return w.api().CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{})
}

// wantSameCount wants the table to have as many elements as it had.
func (w *world) wantSameCount(before nft.Table) {
	w.Helper()
	if now := w.held(); len(now) != len(before) {
		w.Errorf("there are %d elements, and were %d before", len(now), len(before))
	}
}

// footprint is what a node-proxy and its table take.
type footprint struct {
	chains, sets, rules int
	goroutines, files   int
	memory              int // resident, in MiB
}

func (w *world) footprint() footprint {
	w.Helper()
	list, err := w.nft("-t", "-a", "list", "table", "inet", "portolan")
	if err != nil {
		w.Fatal(err, list)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.proxy.Pid()))
	w.must(err)
	return footprint{
		chains:     strings.Count(list, "\tchain "),
		sets:       strings.Count(list, "\tset ") + strings.Count(list, "\tmap "),
		rules:      strings.Count(list, " # handle "),
		goroutines: w.metric("go_goroutines"),
		files:      len(files),
		memory:     w.resident("VmRSS"),
	}
}

// wantLike wants no more than another footprint was, but for what comes and goes.
func (f footprint) wantLike(t *testing.T, before footprint) {
	t.Helper()
	if f.chains != before.chains || f.sets != before.sets || f.rules != before.rules {
		t.Errorf("the kernel has %+v, and had %+v", f, before)
	}
	if f.goroutines > before.goroutines+10 || f.files > before.files+5 || f.memory > before.memory+32 {
		t.Errorf("the node-proxy has %+v, and had %+v", f, before)
	}
}

// metric is the value of a metric, named with its labels.
func (w *world) metric(name string) int {
	w.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(w.get(w.onNode(), "/metrics"))
	if found == nil {
		w.Fatalf("there is no %s", name)
	}
	value, err := strconv.ParseFloat(found[1], 64)
	w.must(err)
	return int(value)
}

// resident is a number of MiB that the kernel has of the node-proxy's memory.
func (w *world) resident(what string) (n int) {
	w.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.proxy.Pid()))
	w.must(err)
	_, after, _ := strings.Cut(string(text), what+":")
	_, err = fmt.Sscan(after, &n)
	w.must(err)
	return n >> 10
}
