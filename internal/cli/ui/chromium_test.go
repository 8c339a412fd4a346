package ui

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// enough is how long a browser may take for anything, on a machine that has other work.
const enough = 90 * time.Second

// tab is a page in headless Chromium.
type tab struct {
	t       *testing.T
	browser context.Context

	mu       sync.Mutex // guards what follows
	troubles []string
}

// open has Chromium show a page until the test ends, or skips the test.
func open(t *testing.T, url string) *tab {
	t.Helper()
	browser, cancel := chromedp.NewContext(context.WithoutCancel(t.Context()),
		chromedp.WithAllocatorOptions(chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("hide-scrollbars", true)))
	t.Cleanup(cancel)
	p := &tab{t: t, browser: browser}
	// The browser ends with the context that starts it: that can have no deadline of its own.
	late := time.AfterFunc(enough, cancel)
	err := chromedp.Do(browser)
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("Chromium is not there: apt-get install chromium")
	}
	if err != nil || !late.Stop() {
		t.Fatal("Chromium does not start:", err)
	}
	t.Cleanup(p.close)
	if err := chromedp.Listen(browser, p.hear); err != nil {
		t.Fatal(err)
	}
	p.look(1600, 1000, "light")
	p.do("show "+url, chromedp.Navigate(url))
	p.await(`document.querySelectorAll(".cell[data-n]").length > 0`)
	return p
}

// close ends Chromium, and waits for it.
func (p *tab) close() {
	ctx, cancel := context.WithTimeout(p.browser, enough)
	defer cancel()
	if err := chromedp.Cancel(ctx); err != nil {
		p.t.Log("Chromium:", err)
	}
}

// hear keeps what the page, or the browser about it, has to complain about.
func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch event := event.(type) {
	case *log.EventEntryAdded:
		p.troubles = append(p.troubles, event.Entry.Text)
	case *runtime.EventExceptionThrown:
		p.troubles = append(p.troubles, fmt.Sprint(event.ExceptionDetails))
	}
}

func (p *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.browser, enough)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// eval is what an expression is on the page, as JSON has it.
func (p *tab) eval(expression string) any {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.browser, enough)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[any](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// await waits until an expression is true. chromedp.Poll does not: it makes functions of strings, which the policy forbids.
func (p *tab) await(expression string) {
	p.t.Helper()
	deadline := time.Now().Add(enough)
	for p.eval(fmt.Sprintf("new Promise(done => requestAnimationFrame(() => done(Boolean(%s))))", expression)) != true {
		if time.Now().After(deadline) {
			p.t.Fatalf("it is not so: %s; focus is on %v", expression, p.eval("document.activeElement.outerHTML"))
		}
	}
}

// press presses keys: characters, and those of package kb.
func (p *tab) press(keys string) {
	p.t.Helper()
	p.do(fmt.Sprintf("press %q", keys), chromedp.KeyEvent(keys))
}

// look is how large the screen is, and whether people like it light or dark.
func (p *tab) look(width, height int64, scheme string) {
	p.t.Helper()
	p.do("look", chromedp.EmulateViewport(width, height), func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return chromedp.Void{}, err
	})
}

// shoot is a picture of the screen, as PNG.
func (p *tab) shoot() []byte {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.browser, enough)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	return picture
}

// complaints are scripts that failed, and breaches of the policy.
func (p *tab) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.troubles
}
