# Does what docker-compose.yml asks of the official image's entry point: a new cluster with the password of
# POSTGRES_PASSWORD_FILE, POSTGRES_USER as its superuser and POSTGRES_DB, then the server.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --encoding=UTF8 --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth=scram-sha-256 >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -j postgres >/dev/null
fi
exec "$@" -c listen_addresses='*'
