# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# The first process of a container that serves: `sh -c <this text> httpd OPTIONS...`.
# A stop waits until the Service has forgotten the pod, then asks Apache for a graceful one (WINCH): it ends what is under
# way. TERM would cut that off, and a preStop hook can't do it: it would have to outlive the container that it runs in.
leave() {
  sleep 4
  kill -WINCH "$server" 2>/dev/null
}
# An image may say that its containers are stopped by another signal.
trap exit TERM INT QUIT WINCH
"$0" "$@" &
server=$!
trap leave TERM INT QUIT WINCH
while :; do
  wait "$server"
  code=$?
  # A signal ends the wait, not the server.
  kill -0 "$server" 2>/dev/null || exit "$code"
done
