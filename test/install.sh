#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: a Postgres server (its
# binaries only; the tests run private clusters), a C compiler for the race detector,
# and anvil, cast and solc from npm.
set -euo pipefail
cd "$(dirname "$0")/.."

have_initdb() {
  command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}
apt_install() {
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@"
}

if ! command -v gcc >/dev/null; then
  command -v apt-get >/dev/null || { echo "install a C compiler: Go's race detector needs one" >&2; exit 1; }
  apt_install gcc libc6-dev
fi
if ! have_initdb; then
  command -v apt-get >/dev/null || { echo "install Postgres (initdb) for the index tests" >&2; exit 1; }
  apt_install postgresql
fi
if ! command -v npm >/dev/null; then
  command -v apt-get >/dev/null || { echo "install Node.js with npm: anvil, cast and solc come through it" >&2; exit 1; }
  apt_install nodejs npm
fi
# node_modules/.package-lock.json is npm's own record of what is installed.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund --silent
  touch node_modules/.package-lock.json
fi
