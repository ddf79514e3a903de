#!/bin/sh
# What the tests need besides Go: PostgreSQL's server. Installed on Debian when
# it is missing and this is root; else the line to run is printed.
set -eu
# With the argument prove also the scanners that prove edge runs.
if [ "${1:-}" = prove ] && ! { command -v slowhttptest && { command -v testssl || command -v testssl.sh; }; } >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing testssl.sh and slowhttptest, which prove edge runs"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends testssl.sh slowhttptest
  else
    echo "prove edge is skipped without: sudo apt-get install testssl.sh slowhttptest" >&2
  fi
fi
if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing PostgreSQL, which the tests use"
  apt-get update -q
  # No cluster of its own is wanted: the tests make theirs.
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql
  exit 0
fi
echo "The tests need PostgreSQL's server: sudo apt-get install postgresql   (or: make fast, which leaves it out)" >&2
exit 1
