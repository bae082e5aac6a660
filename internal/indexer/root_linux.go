package indexer

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// nobody is the user that root becomes inside a user namespace. initdb looks it
// up, so it must be in /etc/passwd; 65534 is nobody everywhere.
const nobody = 65534

// dropRoot is a way to run Postgres, which refuses to be root, from a process
// that is.
type dropRoot struct {
	name  string
	apply func(*exec.Cmd)
	own   func(paths ...string) error
}

// waysToDropRoot lists the ways in the order to try them. A user namespace needs
// no change of ownership; where it is forbidden (containers without privileges)
// the child changes its user, which needs a data directory that this user can
// reach.
func waysToDropRoot() []dropRoot {
	leave := func(...string) error { return nil }
	if os.Geteuid() != 0 {
		return []dropRoot{{"as this user", func(*exec.Cmd) {}, leave}}
	}
	ways := []dropRoot{{
		name: "in a user namespace",
		own:  leave,
		apply: func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: 0, Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: 0, Size: 1}},
			}
		},
	}}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr != nil || gerr != nil {
			continue
		}
		ways = append(ways, dropRoot{
			name: "as user " + name,
			own: func(paths ...string) error {
				for _, path := range paths {
					if err := os.Chown(path, int(uid), int(gid)); err != nil {
						return err
					}
				}
				return nil
			},
			apply: func(cmd *exec.Cmd) {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
			},
		})
	}
	return ways
}

// dieWithParent makes the kernel stop the child in order when the thread that
// starts it ends, as it does when this process is killed.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
}
