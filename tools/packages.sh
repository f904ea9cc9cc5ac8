# Sourced by ./quickstart and ./run-tests: installs the Debian packages of the named groups that are missing.
#   install_packages GROUP...     groups are the first words of packages/<release>.txt

install_packages() {
  local release list missing=() package
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  list=packages/$release.txt
  if [ ! -e "$list" ]; then
    echo "bulwark: no package list for '${release:-this system}'; using Debian 13's (packages/trixie.txt)" >&2
    list=packages/trixie.txt
  fi
  for group in "$@"; do
    for package in $(sed -n "s/^$group: //p" "$list"); do
      [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local run=()
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null; then run=(sudo); else
      echo "bulwark: please install these packages first (this needs root or sudo): apt-get install ${missing[*]}" >&2
      return 3
    fi
  fi
  echo "Installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 &&
    "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/tmp/bulwark-apt.$$.log 2>&1 ||
    { tail -5 "/tmp/bulwark-apt.$$.log" >&2; rm -f "/tmp/bulwark-apt.$$.log"; echo "bulwark: could not install the packages above" >&2; return 3; }
  rm -f "/tmp/bulwark-apt.$$.log"
}
