#!/usr/bin/env bash
# Every header compiles alone.
cd "$(dirname "$0")/../.." || exit 1
bad=0
check() { g++ -std=c++20 -fsyntax-only -Isrc -DBW_VERSION=\"lint\" -include "$1" -x c++ /dev/null || { echo "$1 does not compile alone"; exit 1; }; }
export -f check
find src -name '*.h' -print0 | xargs -0 -n1 -P"$(nproc)" bash -c 'check "$0"' || bad=1
exit $bad
