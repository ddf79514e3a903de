#!/bin/sh
# Says whether what failed in bin/test.log fails always. At most three tests may
# have failed, each by its own checks: they are run three times more, alone, and
# each run must pass. They are named then, to be mended: a test that is not
# steady is a defect, but none that may hide what the others have shown. A
# panic, a race, a timeout, a build that fails or a fourth test fail at once.
set -eu
cd "$(dirname "$0")/.."
log=bin/test.log
[ -f "$log" ] || { echo "nothing was tested: $log is not there"; exit 1; }
if grep -qE '^panic|^fatal error|WARNING: DATA RACE|\[(build|setup) failed\]|^SIG[A-Z]+' "$log"; then
  echo "what failed is not one test's own check: it is not tried again"
  exit 1
fi
# PACKAGE TEST of each, from the lines of a package, which end with its verdict.
failed=$(awk '
  /^--- FAIL: / { names[++n] = $3 }
  /^FAIL\t/     { for (i = 1; i <= n; i++) print $2, names[i]; if (!n) print $2, "-"; n = 0 }
  /^ok  \t/     { n = 0 }' "$log")
count=$(printf '%s\n' "$failed" | grep -c . || true)
if [ "$count" -eq 0 ] || [ "$count" -gt 3 ] || printf '%s\n' "$failed" | grep -q ' -$'; then
  echo "not tried again: $count failures"
  printf '%s\n' "$failed"
  exit 1
fi
printf '%s\n' "$failed" | while read -r package name; do
  echo "again, three times: $package $name"
  go test -count=3 -timeout 15m -run "^$name\$" "$package" </dev/null
done
echo
echo "NOT STEADY, to be mended (failed once, passed three times alone):"
printf '%s\n' "$failed"
