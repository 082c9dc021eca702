#!/bin/sh
# Makes what compose.yaml reads from ./secrets, once: key files, passwords. Never overwrites; needs openssl.
#   sh make-secrets.sh && sudo sh make-secrets.sh own
# `own` gives each file to the user that reads it in its container: 10001 is the gateway's, 999 PostgreSQL's.
set -eu
umask 077
cd "$(dirname "$0")"

if [ "${1:-}" = own ]; then
    chown 10001:10001 secrets/root.key secrets/release.key secrets/release.pub secrets/pgpass
    chown 999:999 secrets/postgres_password secrets/customhouse_password
    exit 0
fi

mkdir secrets # fails when it is there: keys are made once, and every backup depends on them
random() { openssl rand -hex 32; }
random >secrets/root.key
openssl genpkey -algorithm ed25519 -out secrets/release.key
openssl pkey -in secrets/release.key -pubout -out secrets/release.pub
random >secrets/postgres_password
random >secrets/customhouse_password
printf 'postgres:5432:customhouse:customhouse:%s\n' "$(cat secrets/customhouse_password)" >secrets/pgpass
: >secrets/providers.env # NAME=value for each ${NAME} of the manifest, such as providers' keys
chmod 0400 secrets/*.key secrets/release.pub secrets/pgpass secrets/*_password
