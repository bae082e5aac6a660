//go:build linux || darwin || freebsd

package chain

import "syscall"

// freeBytes returns the disk space that an unprivileged process may still use.
func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return uint64(max(int64(st.Bavail), 0)) * uint64(st.Bsize), nil //nolint:gosec // widths and signs differ between systems
}
