#!/bin/sh
# What the tests need besides Go and Node: PostgreSQL's server, Chromium for the
# web app, and a C compiler for a reader of its sealed file. Installed on Debian
# when they are missing and this is root; else the line to run is printed.
set -eu
# With the argument prove also what prove edge and prove scanners run.
if [ "${1:-}" = prove ] && ! { command -v slowhttptest && command -v sqlmap && command -v wapiti && { command -v testssl || command -v testssl.sh; }; } >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing testssl.sh, slowhttptest, sqlmap and wapiti, which prove edge and prove scanners run"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends testssl.sh slowhttptest sqlmap wapiti
  else
    echo "prove edge and prove scanners are skipped without: sudo apt-get install testssl.sh slowhttptest sqlmap wapiti" >&2
  fi
fi
missing=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing=postgresql
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
# SQLCipher is built from its source, to read what the web app seals.
command -v gcc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing what the tests use: $missing"
  apt-get update -q
  # No cluster of its own is wanted: the tests make theirs.
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
  exit 0
fi
case $missing in
*postgresql*) echo "The tests need PostgreSQL's server: sudo apt-get install postgresql   (or: make fast, which leaves it out)" >&2; exit 1 ;;
esac
echo "Some tests of the web app are left out without: sudo apt-get install$missing" >&2
