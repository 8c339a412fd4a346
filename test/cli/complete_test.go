package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// completesInBash asks bash what it would offer at a press of Tab, by the scripts that people source: that of the program by its
// own name, and kubectl's, which asks kubectl_complete-portolan.
func completesInBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	bin := pluginDir(t)
	for _, tt := range []struct {
		begun string // the last word is completed
		want  string
	}{
		{"wh", "who"},
		{"map --po", "--pool"},
		{"list --pool te", "team-a"},
		{"list --state he", "held"},
		{"list -n sh", "shop"},
		{"who 3010", "30100 30101 30102"},
		{"release 3010", "30101"},
		{"move -n shop w", "web"},
		{"explain -n shop w", "web"},
		{"map -o j", "json"},
		{"lint -o s", "sarif"},
		{"export ng", "nginx"},
		{"export haproxy --listen s", "service-port"},
		{"reserve -n shop w", "web"},
	} {
		for name, program := range map[string]string{"kubectl-portolan": "kubectl-portolan", "kubectl": "kubectl portolan"} {
			t.Run(program+" "+tt.begun, func(t *testing.T) {
				words := strings.Fields(program + " " + tt.begun)
				cmd := exec.CommandContext(t.Context(), bash, append([]string{"--norc", "-c", pressTab, name}, words...)...)
				cmd.Env = append(os.Environ(), "KUBECONFIG="+site.Kubeconfig(), "PATH="+bin+":"+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				if got := unwrapped(string(out)); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		}
	}
}

// pressTab sources the completion of the program $0, and prints without descriptions what it offers for the last of the words
// $1, $2, ... _get_comp_words_by_ref and __ltrim_colon_completions are of the package bash-completion, which need not be here.
const pressTab = `
_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD; }
__ltrim_colon_completions() { :; }
compopt() { :; }
source <("$0" completion bash) || exit
complete=$(complete -p "$0") || exit
[[ $complete =~ -F\ ([^ ]+) ]] || exit
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9
"${BASH_REMATCH[1]}" "$0" "${!#}" ""
for word in "${COMPREPLY[@]}"; do echo "${word%% *}"; done
`

// pluginDir has the program, as kubectl finds it, and kubectl.
func pluginDir(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	for name, file := range map[string]string{
		"kubectl":                   site.Kubectl(t.Context()).Path,
		"kubectl-portolan":          program,
		"kubectl_complete-portolan": filepath.Join("..", "..", "cmd", "kubectl-portolan", "kubectl_complete-portolan"),
	} {
		absolute, err := filepath.Abs(file)
		must(t, err)
		must(t, os.Symlink(absolute, filepath.Join(bin, name)))
	}
	return bin
}

// isPlugin has kubectl run it.
func isPlugin(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "kubectl", "portolan", "who", "30100")
	bin := pluginDir(t)
	cmd.Path = filepath.Join(bin, "kubectl")
	cmd.Err = nil
	cmd.Env = append(os.Environ(), "KUBECONFIG="+site.Kubeconfig(), fmt.Sprintf("PATH=%s:%s", bin, os.Getenv("PATH")))
	out, err := cmd.CombinedOutput()
	must(t, err)
	wantLine(t, string(out), "30100 is in use by Service shop/web.")
}
