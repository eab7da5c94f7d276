//go:build !unix

package storetest

import (
	"errors"
	"os/exec"
)

func asUnprivileged(*exec.Cmd, string) error {
	return errors.New("a server of the tests' own needs a Unix; name one by PORTAL_TEST_POSTGRES_URL")
}
