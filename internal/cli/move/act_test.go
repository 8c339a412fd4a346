package move

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/scheme"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// person runs the verb on Service shop/web, at no terminal.
type person struct {
	*mover
	out bytes.Buffer
}

func newPerson(c client.Client, clock clock.PassiveClock, o options) *person {
	p := &person{}
	s := session.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &p.out, ErrOut: &p.out}, clock, func(string) string { return "" })
	if o.timeout == 0 {
		o.timeout = 10 * time.Second
	}
	p.mover = &mover{Session: s, options: o, client: c, key: client.ObjectKey{Namespace: "shop", Name: "web"},
		premises: func(context.Context) (*picture.Picture, error) { return picture.New(picture.Objects{}, s.Now()), nil }}
	return p
}

func to(number int32) options { return options{wish: wish{to: number}} }

// server has Service shop/web with a node port 30100.
func server(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) client.WithWatch {
	t.Helper()
	svc := MakeService("shop/web").NodePort(80, 30100, Named("http")).Obj()
	svc.Spec.Selector = map[string]string{"app": "web"}
	return fake.NewClientBuilder().WithScheme(scheme.New()).WithObjects(append(objects, svc)...).WithInterceptorFuncs(funcs).Build()
}

func stored(t *testing.T, c client.Client) *corev1.Service {
	t.Helper()
	svc := &corev1.Service{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "web"}, svc); err != nil {
		t.Fatal(err)
	}
	return svc
}

func run(t *testing.T, p *person) {
	t.Helper()
	if err := p.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, p.out.String())
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func wantStored(t *testing.T, c client.Client, want string) {
	t.Helper()
	if got := text(stored(t, c)); got != want {
		t.Errorf("the Service has %s, want %s", got, want)
	}
}

func TestNoStepIsTakenOnAMoveThatAnotherHasBegun(t *testing.T) {
	time1, time2 := clocktesting.NewFakePassiveClock(now), clocktesting.NewFakePassiveClock(now.Add(time.Minute))
	for _, to2 := range []int32{30300, 30200} {
		c := server(t, interceptor.Funcs{})
		first := newPerson(c, time1, to(30200))
		run(t, first) // stays Switched: nobody is there to say yes
		back := newPerson(c, time2, options{undo: true, yes: true})
		run(t, back)
		run(t, newPerson(c, time2, to(to2)))
		wantError(t, first.end(t.Context()), "another move has begun meanwhile, from 30100 to "+fmt.Sprint(to2))
		_, err := first.step(t.Context(), Opened, Switched)
		wantError(t, err, "another move has begun meanwhile")
		_, err = first.awaitAnswers(t.Context())
		wantError(t, err, "another move has begun meanwhile")
		wantStored(t, c, fmt.Sprintf("http:80=%d http-move:%d=30100", to2, to2))
	}
}

func TestAServiceThatWasCreatedAgainIsAnotherMove(t *testing.T) {
	c := server(t, interceptor.Funcs{})
	p := newPerson(c, clock.RealClock{}, to(30200))
	run(t, p)
	p.uid = "another"
	wantError(t, p.end(t.Context()), "the move is over")
}

func TestWhoBeginsAtTheSameTimeHearsOfTheOther(t *testing.T) {
	var other *person
	c := server(t, interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, options ...client.PatchOption) error {
		if o := other; o != nil {
			other = nil
			if _, err := o.start(ctx); err != nil {
				return err
			}
		}
		return c.Patch(ctx, obj, p, options...)
	}})
	other = newPerson(c, clock.RealClock{}, to(30300))
	wantError(t, newPerson(c, clock.RealClock{}, to(30200)).run(t.Context()), "on the move from 30100 to 30300 already")
	wantStored(t, c, "http:80=30100 http-move:30300=30300")
}

func TestWhatCannotBeginSaysWhetherAnythingIsChanged(t *testing.T) {
	for want, failure := range map[string]error{
		"nothing is changed":           apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "web", errors.New("no right")),
		"run the command again to see": &url.Error{Op: "Patch", URL: "https://127.0.0.1", Err: errors.New("connection reset")},
	} {
		c := server(t, interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return failure
		}})
		wantError(t, newPerson(c, clock.RealClock{}, to(30200)).run(t.Context()), want)
	}
}

func TestAStepIsTakenThoughTheAPIServerWasAwayForAMoment(t *testing.T) {
	away := false
	c := server(t, interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, options ...client.PatchOption) error {
		if away {
			away = false
			return &url.Error{Op: "Patch", URL: "https://127.0.0.1", Err: errors.New("connection refused")}
		}
		return c.Patch(ctx, obj, p, options...)
	}})
	run(t, newPerson(c, clock.RealClock{}, to(30200)))
	away = true
	run(t, newPerson(c, clock.RealClock{}, options{yes: true}))
	wantStored(t, c, "http:80=30200")
}

func TestUndoSaysWhatTheServiceHas(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*corev1.Service)
		ports  string
		said   string
	}{
		{"switched", func(*corev1.Service) {}, "http:80=30100", "Undone: Service web has 30100."},
		{"a third number", func(s *corev1.Service) { s.Spec.Ports[0].NodePort = 30300 }, "http:80=30100", "Undone: Service web has 30100."},
		{"renamed", func(s *corev1.Service) { s.Spec.Ports[0].Name = "www" }, "www:80=30200 http-move:30200=30100", "Undone: Service web has 30200 (www), 30100 (http-move)."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := server(t, interceptor.Funcs{})
			run(t, newPerson(c, clock.RealClock{}, to(30200)))
			svc := stored(t, c)
			tt.change(svc)
			if err := c.Update(t.Context(), svc); err != nil {
				t.Fatal(err)
			}
			p := newPerson(c, clock.RealClock{}, options{undo: true, yes: true})
			run(t, p)
			wantStored(t, c, tt.ports)
			if !strings.Contains(p.out.String(), tt.said) {
				t.Errorf("it says %q, want %q", p.out.String(), tt.said)
			}
		})
	}
}

func TestWhatWasAnnouncedIsNotTakenBackUnasked(t *testing.T) {
	c := server(t, interceptor.Funcs{})
	run(t, newPerson(c, clock.RealClock{}, to(30200)))
	wantError(t, newPerson(c, clock.RealClock{}, options{undo: true}).run(t.Context()), "Close 30200 now?")
	wantStored(t, c, "http:80=30200 http-move:30200=30100")
}

func TestAMoveThatSomebodyElseHasEndedIsNotUndoneButAnotherCanBegin(t *testing.T) {
	c := server(t, interceptor.Funcs{})
	run(t, newPerson(c, clock.RealClock{}, to(30200)))
	svc := stored(t, c)
	svc.Spec.Ports = svc.Spec.Ports[:1] // as a new manifest has it; the mark is left
	if err := c.Update(t.Context(), svc); err != nil {
		t.Fatal(err)
	}
	wantError(t, newPerson(c, clock.RealClock{}, options{undo: true, yes: true}).run(t.Context()), "kubectl portolan move web -n shop --to 30100")
	wantStored(t, c, "http:80=30200")
	run(t, newPerson(c, clock.RealClock{}, to(30100)))
	wantStored(t, c, "http:80=30100 http-move:30100=30200")
}

func TestTheWaitCountsFromTheSwitch(t *testing.T) {
	c, clock := server(t, interceptor.Funcs{}), clocktesting.NewFakePassiveClock(now)
	run(t, newPerson(c, clock, to(30200)))
	clock.SetTime(now.Add(time.Hour))
	p := newPerson(c, clock, options{wait: time.Hour})
	run(t, p)
	wantStored(t, c, "http:80=30200")
	if !strings.Contains(p.out.String(), "30100 closes in 0s") {
		t.Errorf("it says %q", p.out.String())
	}
}

func TestWhileItWaitsItReadsOneServiceAndSeldomNodes(t *testing.T) {
	reads, failed := map[string]int{}, false
	slice := MakeSlice("shop/web", "1").Port("http", 8080).Endpoint("10.0.0.1").Obj()
	c := server(t, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		reads[fmt.Sprintf("%T", list)]++
		var o client.ListOptions
		o.ApplyOptions(options)
		if _, ok := list.(*discoveryv1.EndpointSliceList); ok && (o.Namespace != "shop" || o.LabelSelector == nil || o.LabelSelector.String() != "kubernetes.io/service-name=web") {
			t.Errorf("it lists EndpointSlices of %q by %v", o.Namespace, o.LabelSelector)
		}
		if !failed {
			failed = true
			return &url.Error{Op: "Get", URL: "https://127.0.0.1", Err: errors.New("connection refused")}
		}
		if _, ok := list.(*v1alpha1.NodePortNodeStateList); ok {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "nodeportnodestates"}, "", errors.New("no right"))
		}
		return c.List(ctx, list, options...)
	}}, slice)
	o := to(30200)
	o.timeout = 3 * poll
	p := newPerson(c, clock.RealClock{}, o)
	wantError(t, p.run(t.Context()), "has not yet endpoints for both of the ports http and http-move. Both 30100 and 30200 stay open. To go on: kubectl portolan move web -n shop")
	if reads["*v1.ServiceList"] > 0 || reads["*v1.EndpointSliceList"] < 2 || reads["*v1.NodeList"] > 1 || reads["*v1alpha1.NodePortNodeStateList"] > 1 {
		t.Errorf("it lists %v", reads)
	}
}

func TestWhatCouldNotBeSeenIsNotClaimed(t *testing.T) {
	c := server(t, interceptor.Funcs{})
	p := newPerson(c, clock.RealClock{}, to(30200))
	run(t, p)
	said := strings.Join(strings.Fields(p.out.String()), " ")
	if strings.Contains(said, "numbers answer") || !strings.Contains(said, "kube-proxy does not report what it has in force") || !strings.Contains(said, "Try 30200 before you tell") {
		t.Errorf("it says %s", said)
	}
}

func TestWhoInterruptsHearsHowItStands(t *testing.T) {
	c := server(t, interceptor.Funcs{})
	ctx, cancel := context.WithCancel(t.Context())
	o := to(30200)
	o.wait = time.Hour
	p := newPerson(c, clock.RealClock{}, o)
	given := "elsewhere"
	p.ConfigFlags.Context = &given
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	for stored(t, c).Spec.Ports[0].NodePort != 30200 && t.Context().Err() == nil {
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	wantError(t, <-done, "interrupted. Both 30100 and 30200 stay open. To go on: kubectl portolan move web -n shop --context elsewhere. To take all back: kubectl portolan move web -n shop --undo --context elsewhere")
}
