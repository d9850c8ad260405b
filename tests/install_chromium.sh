#!/bin/sh
# Installs the browser of tests/flows/test_ui.py where it is absent, apt-get is there and we may use it.
for browser in chromium chromium-browser google-chrome; do
  if command -v "$browser" > /dev/null; then exit 0; fi
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
  echo "no chromium here, and no right to install it: apt-get install chromium" >&2
  exit 1
fi
echo "Installing chromium; this takes a minute ..."
export DEBIAN_FRONTEND=noninteractive
apt-get install --quiet=2 --yes --no-install-recommends chromium fonts-dejavu-core > /dev/null || {
  apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends chromium fonts-dejavu-core > /dev/null
}
