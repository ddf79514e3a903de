//go:build !linux

package proof

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
