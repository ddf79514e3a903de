package proof

import "syscall"

// endWithParent has the kernel end a child when the proof itself is killed.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
