// Package version says what a program was built from.
package version

import "runtime/debug"

// Of is a release, or a commit. release is what the program was told when it was built (go build
// -ldflags='-X main.release=v1.2.3'), as where Go sees no repository; empty: nothing.
func Of(release string) string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
