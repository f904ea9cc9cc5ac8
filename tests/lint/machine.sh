#!/usr/bin/env bash
# Nothing of the machine it was written on is in the tree: no absolute paths of it, no package registry's host.
cd "$(dirname "$0")/../.." || exit 1
pattern='/work/|/root/(main|\.)|deb\.debian\.org|proxy\.golang\.org|registry\.npmjs\.org|pypi\.org|repo1?\.maven|crates\.io/api'
if git grep -nE "$pattern" -- . ':!tests/lint/machine.sh'; then
  echo "the lines above name this machine or a package registry"
  exit 1
fi
