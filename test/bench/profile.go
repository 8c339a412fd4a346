package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// profileFor is how long a profile runs; a load that ends earlier is profiled idle for the rest.
const profileFor = 8 * time.Second

// profile profiles the API server and, where it runs, the manager from now on, if profiles are asked for. finish waits
// for their end and passes the load's error on.
func (s *site) profile(ctx context.Context, name string) (finish func(error) error) {
	if s.options.profileDir == "" {
		return func(err error) error { return err }
	}
	var wg sync.WaitGroup
	var errs [2]error
	side := native
	if s.manager != nil {
		side = portolan
		wg.Go(func() { errs[0] = s.profileManager(ctx, name+"-manager.pprof") })
	}
	wg.Go(func() { errs[1] = s.profileAPIServer(ctx, fmt.Sprintf("%s-apiserver-%s.pprof", name, side)) })
	return func(err error) error {
		wg.Wait()
		return errors.Join(append(errs[:], err)...)
	}
}

var profileSeconds = strconv.Itoa(int(profileFor.Seconds()))

func (s *site) profileManager(ctx context.Context, name string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%s", s.manager.profiles, profileSeconds)
	profile, err := get(ctx, url)
	if err != nil {
		return err
	}
	return s.writeProfile(name, profile)
}

func (s *site) profileAPIServer(ctx context.Context, name string) error {
	profile, err := s.services.CoreV1().RESTClient().Get().AbsPath("/debug/pprof/profile").Param("seconds", profileSeconds).DoRaw(ctx)
	if err != nil {
		return err
	}
	return s.writeProfile(name, profile)
}

func (s *site) writeProfile(name string, profile []byte) error {
	if err := os.MkdirAll(s.options.profileDir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.options.profileDir, name), profile, 0o644)
}
