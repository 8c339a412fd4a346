package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// What the proxies watch, and how they narrow it: newSources of internal/nodeproxy, and kube-proxy's own informers
// (cmd/kube-proxy/app/server.go). The rest, like their own node, does not change.
var watchesOf = map[side][]string{
	portolan: {
		"/api/v1/services?fieldSelector=spec.clusterIP!%3DNone",
		"/apis/" + discoveryv1.SchemeGroupVersion.String() + "/endpointslices?labelSelector=!" + corev1.IsHeadlessService,
		"/apis/" + v1alpha1.GroupVersion.String() + "/nodeportpools?",
		"/apis/" + v1alpha1.GroupVersion.String() + "/nodeportaccesses?",
	},
	sides[proxysite.KubeProxyNFTables]: {
		"/api/v1/services?labelSelector=!" + corev1.IsHeadlessService + ",!" + v1alpha1.ServiceProxyNameLabel,
		"/apis/" + discoveryv1.SchemeGroupVersion.String() + "/endpointslices?labelSelector=!" + corev1.IsHeadlessService + ",!" + v1alpha1.ServiceProxyNameLabel,
	},
	nobody: nil,
}

// server measures what the API server takes for changes while so many watch as a proxy of each kind does, in an order that
// is another one each round.
func (w *watch) server(ctx context.Context, round int) error {
	order := []side{nobody, portolan, sides[proxysite.KubeProxyNFTables]}
	for i := range order {
		if err := w.serverOf(ctx, order[(i+round)%len(order)]); err != nil {
			return err
		}
	}
	return nil
}

func (w *watch) serverOf(ctx context.Context, of side) error {
	stop, err := w.openWatches(ctx, of)
	if err != nil {
		return err
	}
	defer stop()
	for _, c := range w.changes() {
		before, err := w.api.now()
		if err := errors.Join(err, w.change(ctx, c)); err != nil {
			return fmt.Errorf("%s, %s: %w", of, c.name, err)
		}
		after, err := w.api.now()
		if err != nil {
			return err
		}
		each := 1e6 * after.since(before)["API server"] / watchChanges
		w.add(c.name+" API server", of, each)
		fmt.Fprintf(w.race.options.log, "  %s, %s: the API server takes %.0f µs a change\n", of, c.name, each)
	}
	return nil
}

// openWatches opens what all watchers watch, from now on. stop ends it.
func (w *watch) openWatches(ctx context.Context, of side) (stop func(), err error) {
	now, err := w.population.api.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return nil, err
	}
	var watchers sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	stop = func() { cancel(); watchers.Wait() }
	for range watchersAtAll {
		node, err := w.connection()
		if err != nil {
			stop()
			return nil, err
		}
		for _, path := range watchesOf[of] {
			events, err := w.openWatch(ctx, node, path+"&watch=true&allowWatchBookmarks=true&resourceVersion="+now.ResourceVersion)
			if err != nil {
				stop()
				return nil, err
			}
			watchers.Go(func() {
				defer events.Close()
				_, _ = io.Copy(io.Discard, events) // until it is stopped
			})
		}
	}
	return stop, nil
}

// connection is a client that shares its connection with no other: each node has its own.
func (w *watch) connection() (*http.Client, error) {
	config := w.Plane.Config()
	config.Dial = (&net.Dialer{}).DialContext // by default, equal clients share one
	return rest.HTTPClientFor(config)
}

// openWatch opens a watch as a proxy does: Kubernetes' own kinds as protobuf, which custom resources do not come as.
func (w *watch) openWatch(ctx context.Context, node *http.Client, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Plane.Config().Host+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", runtime.ContentTypeProtobuf)
	if strings.Contains(path, v1alpha1.GroupVersion.Group) {
		req.Header.Set("Accept", runtime.ContentTypeJSON)
	}
	answer, err := node.Do(req)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("watch %s: %s", path, answer.Status)
	}
	return answer.Body, nil
}

// serverRow is what one watching node costs the API server for a change.
func (w *watch) serverRow(c change) row {
	name := c.name + " API server"
	each := func(of side) []float64 {
		var values []float64
		for i, v := range w.figures[name][of] {
			values = append(values, (v-w.figures[name][nobody][i])/watchersAtAll)
		}
		return values
	}
	peer := sides[proxysite.KubeProxyNFTables]
	title := c.name + " changes, CPU time at the API server"
	if c.name == poolStatus {
		return row{Name: title, Unit: "µs", Value: median(each(portolan))}
	}
	return compared(title, "µs", "kube-proxy", each(portolan), each(peer))
}

// unwatched says what changes take while nobody watches.
func (w *watch) unwatched() string {
	var texts []string
	for _, c := range w.changes() {
		texts = append(texts, fmt.Sprintf("%.0f µs of %s", median(w.figures[c.name+" API server"][nobody]), c.name))
	}
	return strings.Join(texts, ", ")
}
