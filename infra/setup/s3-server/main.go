// versitygw's S3 gateway for one account over a folder, for tests. What it leaves out, its own tests, other clouds
// behind it and pages for administrators, takes two fifths of the time to compile. It understands of versitygw's
// command line what is below, so that either can stand in for the other.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

const usage = `Usage: ROOT_ACCESS_KEY=... ROOT_SECRET_KEY=... versitygw [--port HOST:PORT] [--quiet] posix [--sidecar FOLDER] FOLDER

An S3 server for tests: versitygw for one account over a folder. Objects' attributes are the files' own, or lie in the
sidecar folder. For everything else that versitygw does, install it whole.
`

// Versitygw's own defaults; more than a test asks for.
const (
	region         = "us-east-1"
	mostParts      = 10_000
	mostCopied     = 5 << 30
	mostConnected  = 250_000
	mostRequested  = 100_000
	mostConcurrent = 5_000
)

func main() {
	address, sidecar, folder, err := readArguments(os.Args[1:])
	if err == nil {
		err = serve(address, sidecar, folder)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func readArguments(words []string) (address, sidecar, folder string, err error) {
	gateway := newFlags()
	gateway.StringVar(&address, "port", "127.0.0.1:7070", "")
	gateway.Bool("quiet", false, "")
	if err = gateway.Parse(words); err != nil {
		return
	}
	if gateway.Arg(0) != "posix" {
		err = fmt.Errorf("%q is no backend of this build.\n%s", gateway.Arg(0), usage)
		return
	}
	backend := newFlags()
	backend.StringVar(&sidecar, "sidecar", "", "")
	if err = backend.Parse(gateway.Args()[1:]); err != nil {
		return
	}
	if backend.NArg() != 1 {
		err = fmt.Errorf("One folder is needed.\n%s", usage)
	}
	return address, sidecar, backend.Arg(0), err
}

func newFlags() *flag.FlagSet {
	flags := flag.NewFlagSet("versitygw", flag.ContinueOnError)
	flags.Usage = func() {}
	return flags
}

// serve answers until SIGINT or SIGTERM.
func serve(address, sidecar, folder string) error {
	access, secret := os.Getenv("ROOT_ACCESS_KEY"), os.Getenv("ROOT_SECRET_KEY")
	if access == "" || secret == "" {
		return errors.New("ROOT_ACCESS_KEY and ROOT_SECRET_KEY must be set")
	}
	attributes, err := attributesIn(sidecar, folder)
	if err != nil {
		return err
	}
	store, err := posix.New(folder, attributes, posix.PosixOpts{
		SideCarDir:          sidecar,
		Concurrency:         mostConcurrent,
		CopyObjectThreshold: mostCopied,
	})
	if err != nil {
		return err
	}
	defer store.Shutdown()
	server, err := s3api.New(
		store,
		middlewares.RootUserConfig{Access: access, Secret: secret},
		region,
		auth.NewIAMServiceSingle(auth.Account{Access: access, Secret: secret, Role: auth.RoleAdmin}),
		nil, nil, nil, nil, // no log, no log of administration, no events, no metrics
		s3api.WithConcurrencyLimiter(mostConnected, mostRequested),
		s3api.WithMpMaxParts(mostParts),
		s3api.WithQuiet(),
	)
	if err != nil {
		return err
	}
	stopped, release := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	failed := make(chan error, 1)
	go func() { failed <- server.ServeMultiPort([]string{address}) }()
	select {
	case err := <-failed:
		return err
	case <-stopped.Done():
		return server.ShutDown()
	}
}

func attributesIn(sidecar, folder string) (meta.MetadataStorer, error) {
	if sidecar != "" {
		return meta.NewSideCar(sidecar)
	}
	return meta.XattrMeta{}, meta.XattrMeta{}.Test(folder)
}
