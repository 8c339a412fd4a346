package main

import "runtime/debug"

// release is set where an image is built: there Go sees no repository (go build -ldflags='-X main.release=v1.2.3').
var release string

// version is what the binary was built from: a release, or a commit.
func version() string {
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
