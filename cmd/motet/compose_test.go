package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

type composeFile struct {
	Services map[string]struct {
		Image       string            `yaml:"image"`
		Build       string            `yaml:"build"`
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		Ports       []string          `yaml:"ports"`
		Volumes     []string          `yaml:"volumes"`
		DependsOn   map[string]any    `yaml:"depends_on"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
}

func readCompose(t *testing.T) (composeFile, string) {
	t.Helper()
	root := filepath.Join("..", "..")
	raw, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c composeFile
	if err := yaml.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c, root
}

// TestComposeServices: everything that the pipeline stands on is there.
func TestComposeServices(t *testing.T) {
	c, _ := readCompose(t)
	for _, name := range []string{"motet", "verifier", "nats", "postgres", "l1", "prometheus", "grafana"} {
		s, ok := c.Services[name]
		if !ok {
			t.Errorf("service %s is missing", name)
		} else if s.Build == "" && !strings.Contains(s.Image, ":") {
			t.Errorf("service %s: image %q is not pinned", name, s.Image)
		}
	}
	if got := c.Services["motet"].Ports; !slices.Equal(got, []string{"8545:8545"}) {
		t.Errorf("motet publishes %v", got)
	}
	for name, s := range c.Services {
		for dep := range s.DependsOn {
			if _, ok := c.Services[dep]; !ok {
				t.Errorf("%s depends on %s, which is not a service", name, dep)
			}
		}
		if name != "motet" && len(s.Ports) > 0 && name != "prometheus" && name != "grafana" {
			t.Errorf("%s publishes %v: only the API and the monitoring are for outside", name, s.Ports)
		}
	}
}

// TestComposeEnvironmentAreOurFlags: each MOTET_ variable is a flag of the
// command that the service runs, with a value that it accepts.
func TestComposeEnvironmentAreOurFlags(t *testing.T) {
	c, _ := readCompose(t)
	checked := 0
	for name, s := range c.Services {
		if s.Build == "" {
			continue
		}
		cmd, _, ok := find(s.Command)
		if !ok {
			t.Errorf("%s runs %v, which is no command", name, s.Command)
			continue
		}
		fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
		_ = cmd.setup(fs)
		known := map[string]string{}
		fs.VisitAll(func(f *flag.Flag) { known[envName(f.Name)] = f.Name })
		for key, value := range s.Environment {
			flagName, ok := known[key]
			if !ok {
				t.Errorf("%s: %s is no setting of motet %s", name, key, cmd.name)
			} else if err := fs.Set(flagName, value); err != nil {
				t.Errorf("%s: %s=%s: %v", name, key, value, err)
			}
			checked++
		}
	}
	if checked < 10 {
		t.Fatalf("only %d variables checked", checked)
	}
}

// TestComposeMounts: mounted files exist, named volumes are declared, and our own
// services may write to theirs.
func TestComposeMounts(t *testing.T) {
	c, root := readCompose(t)
	image, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range c.Services {
		for _, v := range s.Volumes {
			source, rest, _ := strings.Cut(v, ":")
			target, _, _ := strings.Cut(rest, ":")
			if strings.HasPrefix(source, ".") {
				if _, err := os.Stat(filepath.Join(root, source)); err != nil {
					t.Errorf("%s mounts %s: %v", name, source, err)
				}
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s mounts volume %s, which is not declared", name, source)
			} else if s.Build != "" && !strings.Contains(string(image), "--chown=nonroot:nonroot /data "+target+"\n") {
				t.Errorf("%s mounts %s at %s, which the image does not hold for its user", name, source, target)
			}
		}
	}
	nats, err := os.ReadFile(filepath.Join(root, "deploy/nats/nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(nats), "sync_interval: always") {
		t.Error("nats.conf does not sync always")
	}
}
