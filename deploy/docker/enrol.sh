#!/bin/sh
# enrol.sh ADMIN TOKENS NODE...: a token of an admin's in the folder ADMIN; in TOKENS one with which each node joins; and a pool
# and a company to begin with, whose token is there too. Whatever is there already stays, so it can be run at every start.
set -eu
admin=$1
folder=$2
shift 2

POOL=h100-80gb
COMPANY=acme

python -m scheduler admin-token "$admin/admin.token"
DURE_TOKEN=$(cat "$admin/admin.token")
export DURE_TOKEN

for node in "$@"; do
    [ -e "$folder/$node.join" ] || dure node join-token "$node" --token-file "$folder/$node.join"
done

dure pool show "$POOL" >/dev/null 2>&1 ||
    dure pool add "$POOL" --product "NVIDIA H100 80GB HBM3" --why "an example to begin with"
dure company show "$COMPANY" >/dev/null 2>&1 || dure company add "$COMPANY"
dure quota set "$COMPANY" "$POOL" --gpus 16 --why "an example to begin with"
[ -e "$folder/$COMPANY.token" ] || dure token issue --company "$COMPANY" --label example --token-file "$folder/$COMPANY.token"
