package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"gotest.tools/v3/golden"

	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
)

const (
	focusedNumber = `Number(document.activeElement.dataset.n)`
	matching      = `document.querySelectorAll(".cell[data-n]:not(.dim)").length`
	storyOpen     = `!document.getElementById("story").hidden`
)

// TestThePageIsUsedByTheKeyboardAlone goes through all of it as somebody without a mouse does.
func TestThePageIsUsedByTheKeyboardAlone(t *testing.T) {
	s := serving(t, shown())
	p := open(t, s.url)
	p.await(`document.querySelectorAll(".cell[data-n]").length === 2768`)
	p.await(`document.querySelectorAll("[role=gridcell][tabindex='0']").length === 1`)
	p.await(`document.querySelector("#legend [data-kind=use] .count").textContent === "1,443"`)
	p.await(`document.title === "Node ports of prod-eu-1"`)

	p.press(kb.Tab)
	p.await(`document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().left >= 0`)
	p.press(kb.Enter + kb.Tab)
	p.await(focusedNumber + ` === 30000`)
	p.press("/")
	p.await(`document.activeElement.id === "search"`)
	p.press("app-30101")
	p.await(matching + ` === 1 && document.querySelector("#list tbody tr").textContent.includes("team-00/app-30101")`)
	p.await(`document.getElementById("said").textContent === "1 match"`)
	p.press(kb.Enter)
	p.await(focusedNumber + ` === 30101`)
	p.press(kb.Enter)
	p.await(storyOpen + ` && document.activeElement.id === "story"`)
	p.await(`document.querySelector("#story .summary")?.textContent === "30101 is in use by Service team-00/app-30101."`)
	p.await(`document.querySelector("#story .fact.wrong").textContent.includes("sshd listens there")`)
	p.press(kb.Escape)
	p.await(`document.getElementById("story").hidden && ` + focusedNumber + ` === 30101`)
	p.press(kb.Escape)
	p.await(matching + ` === 2768 && document.getElementById("search").value === ""`)

	for _, step := range []struct {
		key  string
		want int
	}{
		{kb.ArrowRight, 30102}, {kb.ArrowDown, 30202}, {kb.ArrowLeft, 30201}, {kb.ArrowUp, 30101}, {kb.End, 30199}, {kb.Home, 30100},
		{kb.ArrowUp, 30000}, {kb.ArrowUp, 30000}, {"n", 30055}, {"n", 30100}, {"p", 30055},
	} {
		p.press(step.key)
		p.await(fmt.Sprintf("%s === %d", focusedNumber, step.want))
	}
	p.await(`document.activeElement.getAttribute("aria-label") === "30055, clashing, no pool, also nginx on node-1"`)
	p.await(`getComputedStyle(document.activeElement).outlineStyle === "solid"`)
	p.await(`document.querySelectorAll("[role=gridcell][tabindex='0']").length === 1`)
	if troubles := p.complaints(); len(troubles) > 0 {
		t.Errorf("the page complains: %v", troubles)
	}
}

func TestThePageKeepsInStepAndKeepsItsPlace(t *testing.T) {
	cluster := small()
	s := serving(t, cluster)
	p := open(t, s.url)
	p.eval(`document.querySelector("[data-n='30150']").focus()`)
	p.press(kb.Enter)
	p.await(`document.querySelector("#story .summary")?.textContent === "30150 is free."`)
	p.eval(`lasted = []; Element.prototype.animate = (_, options) => { lasted.push(options.duration); }`)
	s.put(cluster.Bound(30150, "shop/later").Picture(), nil)
	p.await(`document.querySelector("#story .summary").textContent === "30150 is in use by Service shop/later."`)
	p.await(`document.querySelector("[data-n='30150']").classList.contains("use") && document.querySelector("[data-n='30150']").classList.contains("selected")`)
	p.await(`document.getElementById("said").textContent === "Now 30150, in use, shop/later, pool team-a"`)
	p.await(`lasted.length > 0 && lasted.every((duration) => duration === 0)`) // this browser's people want nothing to move
	s.put(cluster.Picture(), fmt.Errorf("the API server does not answer"))
	p.await(`/^Not up to date since .+ the API server does not answer$/.test(document.querySelector(".banner.wrong")?.textContent)`)
	s.put(cluster.Picture(), nil)
	p.await(`document.querySelector(".banner") === null && document.getElementById("live").textContent === "live"`)
	if troubles := p.complaints(); len(troubles) > 0 {
		t.Errorf("the page complains: %v", troubles)
	}
}

func TestThePageFiltersByNamespacePoolAndState(t *testing.T) {
	p := open(t, serving(t, small()).url)
	for _, tt := range []struct {
		do   string
		want int
	}{
		{`document.querySelector("[data-kind=trouble]").click()`, 2},
		{`document.querySelector("[data-kind=held]").click()`, 3}, // one of either
		{`document.querySelector("[data-kind=trouble]").click(); document.querySelector("[data-kind=held]").click()`, 2768},
		{`document.querySelector("[data-pool=edge]").click()`, 10},
		{`document.querySelector("[data-kind=idle]").click()`, 1},
		{`document.getElementById("clear").click()`, 2768},
		{`select = document.getElementById("namespace"); select.value = "shop"; select.dispatchEvent(new Event("change"))`, 6},
	} {
		p.eval(tt.do)
		p.await(fmt.Sprintf("%s === %d", matching, tt.want))
	}
}

func TestATenantIsToldWhatHeDoesNotSee(t *testing.T) {
	p := open(t, serving(t, tenants()).url)
	p.await(`document.querySelector(".banner").textContent.includes("you see services of namespace shop only")`)
	p.await(`document.querySelector("[data-kind=unknown] .count").textContent === "2,764"`)
	p.await(`document.querySelector("[data-n='30101']").getAttribute("aria-label") === "30101, not yours to see, pool team-a"`)
}

func TestNothingIsWiderThanTheScreen(t *testing.T) {
	for name, cluster := range map[string]*picturetest.Cluster{"shown": shown(), "empty": picturetest.New(), "tenant": tenants()} {
		p := open(t, serving(t, cluster).url)
		for _, width := range []int64{320, 390, 683, 768, 1024, 1366, 1920} { // 683: a screen of 1366 at 200 %
			p.look(width, 900, "light")
			p.await(fmt.Sprintf("innerWidth === %d", width))
			if p.eval(`document.documentElement.scrollWidth > innerWidth`) == true {
				t.Errorf("%s at %d pixels: it is %v wide", name, width, p.eval(`document.documentElement.scrollWidth`))
			}
		}
	}
}

// TestThePicturesInTheDocs makes them anew with -update.
func TestThePicturesInTheDocs(t *testing.T) {
	if !golden.FlagUpdate() {
		t.Skip("it makes pictures, with -update only")
	}
	p := open(t, serving(t, shown()).url)
	for _, shot := range []struct {
		name          string
		width, height int64
		scheme        string
		number        int
	}{
		{"ui", 1600, 1000, "light", 0}, {"ui-dark", 1600, 1000, "dark", 30101}, {"ui-narrow", 390, 844, "light", 30403},
	} {
		p.look(shot.width, shot.height, shot.scheme)
		p.await(fmt.Sprintf("innerWidth === %d", shot.width))
		if shot.number != 0 {
			p.eval(fmt.Sprintf(`document.querySelector("[data-n='%d']").click()`, shot.number))
			p.await(fmt.Sprintf(`document.querySelector("#story .summary")?.textContent.startsWith("%d")`, shot.number))
		}
		picture := p.shoot()
		if err := os.WriteFile(filepath.Join("../../../docs/images", shot.name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
		if len(picture) > 250_000 {
			t.Errorf("%s.png has %d bytes: too many for a repository", shot.name, len(picture))
		}
	}
}
