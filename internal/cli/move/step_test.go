package move

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// web has a TCP port, and dns on both protocols with one number.
func web() *corev1.Service {
	svc := MakeService("shop/web").NodePort(80, 30100, Named("http"), Target(8080)).
		NodePort(53, 30153, Named("dns")).NodePort(53, 30153, Named("dns-tcp"), UDP).Obj()
	svc.Spec.Selector = map[string]string{"app": "web"}
	return svc
}

func httpMark() *Mark {
	return &Mark{Ports: []string{"http"}, From: 30100, To: 30200, Since: metav1.NewTime(now)}
}

// text is a Service's entries: "http:80=30100".
func text(svc *corev1.Service) string {
	var texts []string
	for _, p := range svc.Spec.Ports {
		texts = append(texts, fmt.Sprintf("%s:%d=%d", p.Name, p.Port, p.NodePort))
	}
	return strings.Join(texts, " ")
}

func TestAMoveOpensSwitchesAndCloses(t *testing.T) {
	const dns = " dns:53=30153 dns-tcp:53=30153"
	svc, m := web(), httpMark()
	open(svc, m, "")
	for _, tt := range []struct {
		stage Stage
		want  string
	}{
		{Opened, "http:80=30100" + dns + " http-move:30200=30200"},
		{Switched, "http:80=30200" + dns + " http-move:30200=30100"},
	} {
		read, err := markOf(svc)
		if err != nil || read == nil {
			t.Fatalf("the mark of %s: %v, %v", tt.stage, read, err)
		}
		if got := read.stage(svc); got != tt.stage || text(svc) != tt.want {
			t.Fatalf("got %s, %s, want %s, %s", got, text(svc), tt.stage, tt.want)
		}
		if err := next(svc, read, now); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := text(svc), "http:80=30200"+dns; got != want || len(svc.Annotations) > 0 {
		t.Errorf("at the end there are %s and %v, want %s", got, svc.Annotations, want)
	}
}

func TestTheSecondEntryIsAsTheFirst(t *testing.T) {
	svc, m := web(), httpMark()
	svc.Spec.Ports[0].AppProtocol = new("https")
	open(svc, m, "")
	want := svc.Spec.Ports[0]
	want.Name, want.Port, want.NodePort = "http-move", 30200, 30200
	if diff := cmp.Diff(want, *entry(svc, "http-move")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFromEachStageAMoveCanBeUndone(t *testing.T) {
	svc, m := web(), httpMark()
	before := text(svc)
	open(svc, m, "")
	for _, stage := range []Stage{Opened, Switched} {
		back := svc.DeepCopy()
		if got := m.stage(back); got != stage {
			t.Fatalf("got stage %s, want %s", got, stage)
		}
		undo(back, m)
		if got := text(back); got != before || len(back.Annotations) > 0 {
			t.Errorf("undone from %s it has %s and %v, want %s", stage, got, back.Annotations, before)
		}
		change(svc, m, now)
	}
}

func TestProtocolsThatShareANumberMoveTogether(t *testing.T) {
	svc := web()
	m := &Mark{Ports: []string{"dns", "dns-tcp"}, From: 30153, To: 30253}
	open(svc, m, "")
	change(svc, m, now)
	const want = "http:80=30100 dns:53=30253 dns-tcp:53=30253 dns-move:30253=30153 dns-tcp-move:30253=30153"
	if got := text(svc); got != want || m.stage(svc) != Switched {
		t.Errorf("got %s, %s, want %s", m.stage(svc), got, want)
	}
	if got := entry(svc, "dns-tcp-move").Protocol; got != corev1.ProtocolUDP {
		t.Errorf("the second entry of dns-tcp is %s", got)
	}
}

func TestAnEntryWithoutANameGetsOneThatStays(t *testing.T) {
	svc := MakeService("shop/web").NodePort(80, 30100).Obj()
	m := &Mark{Ports: []string{""}, From: 30100, To: 30200}
	open(svc, m, "http")
	if got, want := text(svc), "http:80=30100 http-move:30200=30200"; got != want || m.stage(svc) != Opened {
		t.Errorf("got %s, %s, want %s", m.stage(svc), got, want)
	}
	undo(svc, m)
	if got, want := text(svc), "http:80=30100"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestThePortOfTheSecondEntryIsFree(t *testing.T) {
	svc := MakeService("shop/web").NodePort(80, 30100, Named("http")).NodePort(30200, 30101, Named("odd")).Port(30201, Named("next"), UDP).Obj()
	if got := freePort(svc, 30200); got != 30202 {
		t.Errorf("got %d, want 30202", got)
	}
	full := MakeService("shop/web").NodePort(65535, 30100, Named("http")).Obj()
	if got := freePort(full, 65535); got != 1 {
		t.Errorf("after the last port comes %d, want 1", got)
	}
}

func TestLongNamesStayNames(t *testing.T) {
	if got := second(strings.Repeat("a", 63)); len(got) != 63 || !strings.HasSuffix(got, "-move") {
		t.Errorf("got %q of length %d", got, len(got))
	}
}

func TestWhatOthersMakeOfAMoveIsSeen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*corev1.Service)
		want   Stage
		undone string
	}{
		{"the new manifest was put in its place", func(s *corev1.Service) { finish(s, httpMark()); s.Spec.Ports[0].NodePort = 30200 }, Done, "http:80=30100"},
		{"the old manifest was put in its place", func(s *corev1.Service) { finish(s, httpMark()) }, Undone, "http:80=30100"},
		{"its number was changed to a third", func(s *corev1.Service) { s.Spec.Ports[0].NodePort = 30300 }, Astray, "http:80=30300"},
		{"the entry was taken away", func(s *corev1.Service) { s.Spec.Ports = s.Spec.Ports[1:] }, Astray, ""},
		{"the second entry's number was changed", func(s *corev1.Service) { s.Spec.Ports[1].NodePort = 30300 }, Astray, "http:80=30100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			svc, m := MakeService("shop/web").NodePort(80, 30100, Named("http")).Obj(), httpMark()
			open(svc, m, "")
			tt.change(svc)
			if got := m.stage(svc); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			err := next(svc.DeepCopy(), m, now)
			if stuck := tt.want == Astray; stuck != (err != nil) {
				t.Errorf("the next step: %v", err)
			}
			undo(svc, m)
			if got := text(svc); got != tt.undone {
				t.Errorf("undone it has %q, want %q", got, tt.undone)
			}
		})
	}
}

func TestUndoKeepsTheOldNumberWhateverOthersHaveChanged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*corev1.Service)
		want   string
	}{
		{"the own entry has a third number", func(s *corev1.Service) { s.Spec.Ports[0].NodePort = 30300 }, "http:80=30100"},
		{"the own entry was renamed", func(s *corev1.Service) { s.Spec.Ports[0].Name = "web" }, "web:80=30200 http-move:30200=30100"},
		{"the own entry was taken away", func(s *corev1.Service) { s.Spec.Ports = s.Spec.Ports[1:] }, "http-move:30200=30100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			svc, m := MakeService("shop/web").NodePort(80, 30100, Named("http")).Obj(), httpMark()
			open(svc, m, "")
			change(svc, m, now)
			tt.change(svc)
			undo(svc, m)
			if got := text(svc); got != tt.want || len(svc.Annotations) > 0 {
				t.Errorf("undone it has %q and %v, want %q", got, svc.Annotations, tt.want)
			}
		})
	}
}

func TestTheMarkSaysWhenItSwitched(t *testing.T) {
	svc, m := web(), httpMark()
	open(svc, m, "")
	if m.Switched != nil {
		t.Errorf("before the switch: %v", m.Switched)
	}
	change(svc, m, now.Add(time.Minute))
	read, err := markOf(svc)
	if err != nil || read.Switched == nil || !read.Switched.Time.Equal(now.Add(time.Minute)) || !read.is(httpMark()) {
		t.Errorf("got %+v, %v", read, err)
	}
}

func TestTheStageIsThatOfAllEntriesOrNone(t *testing.T) {
	svc := web()
	m := &Mark{Ports: []string{"dns", "dns-tcp"}, From: 30153, To: 30253}
	open(svc, m, "")
	entry(svc, "dns").NodePort, entry(svc, "dns-move").NodePort = 30253, 30153
	if got := m.stage(svc); got != Astray {
		t.Errorf("got %s, want %s", got, Astray)
	}
}

func TestAMarkOfSomebodyElsesIsRefused(t *testing.T) {
	for _, text := range []string{"", "soon", `{"ports":[],"from":1,"to":2}`, `{"ports":["http"],"from":30100}`} {
		svc := MakeService("shop/web").Annotation(Annotation, text).Obj()
		if m, err := markOf(svc); err == nil || m != nil {
			t.Errorf("%q: got %+v, %v", text, m, err)
		}
	}
}
