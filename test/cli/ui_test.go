package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// TestThePageIsLive has kubectl portolan ui follow the cluster, for an operator and for a tenant, until it is interrupted.
func TestThePageIsLive(t *testing.T) {
	must(t, client.IgnoreAlreadyExists(site.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "live"}})))
	team := member(t, "live")
	const gap = "you see services of namespace live only"
	eventually(t, "the team may read its namespace", func() error {
		got := team.run("map", "-n=live")
		if strings.Contains(strings.Join(strings.Fields(got.errOut), " "), gap) && !strings.Contains(got.errOut, "usages") {
			return nil
		}
		return fmt.Errorf("%s", got)
	})
	operators, tenants := startPage(operator(t)), startPage(team, "-n=live")
	tenants.await(t, gap)
	svc := MakeService("live/web").NodePort(80, 32700).Obj()
	must(t, site.Create(t.Context(), svc))
	operators.await(t, `{"n":32700,"state":"InUse","ns":"live","svc":"web"`)
	tenants.await(t, `{"n":32700,"state":"InUse","ns":"live","svc":"web"`)
	if got := operators.get(t, "story/32700"); !strings.Contains(got, "32700 is in use by Service live/web.") || !strings.Contains(got, "none is ready, of 0") {
		t.Errorf("the story is %s", got)
	}
	must(t, site.Delete(t.Context(), svc))
	operators.await(t, `{"n":32700,"state":"Held","ns":"live","svc":"web"`)
	for _, p := range []*page{operators, tenants} {
		must(t, p.cmd.Process.Signal(os.Interrupt))
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("interrupted, it ends with %v", err)
		}
	}
}

// page is a running kubectl portolan ui.
type page struct {
	cmd    *exec.Cmd
	url    string
	models <-chan string
}

func startPage(u user, args ...string) *page {
	u.Helper()
	cmd := exec.CommandContext(u.Context(), program, append([]string{"ui"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.TempDir(), "KUBECONFIG=" + u.kubeconfig}
	cmd.WaitDelay = patience
	out, err := cmd.StdoutPipe()
	must(u.T, err)
	cmd.Stderr = os.Stderr
	must(u.T, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(u.T, err)
	p := &page{cmd: cmd, url: strings.TrimSpace(line)}
	p.models = modelsOf(p.open(u.T, "events"))
	return p
}

func (p *page) open(t *testing.T, path string) io.ReadCloser {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, nil)
	must(t, err)
	response, err := http.DefaultClient.Do(r)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, response.Status)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response.Body
}

func (p *page) get(t *testing.T, path string) string {
	t.Helper()
	text, err := io.ReadAll(p.open(t, path))
	must(t, err)
	return string(text)
}

// modelsOf are what comes on a stream of events.
func modelsOf(stream io.Reader) <-chan string {
	models := make(chan string, 100)
	go func() {
		defer close(models)
		lines := bufio.NewScanner(stream)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var snapshot struct{ Model json.RawMessage }
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(text), &snapshot) == nil {
				models <- string(snapshot.Model)
			}
		}
	}()
	return models
}

// await reads on until the page is sent a text.
func (p *page) await(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	last := ""
	for {
		select {
		case model, ok := <-p.models:
			if !ok {
				t.Fatalf("the stream has ended before %s", text)
			}
			if last = model; strings.Contains(model, text) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("%s has not come in %v; the last was %s", text, patience, last)
		}
	}
}
