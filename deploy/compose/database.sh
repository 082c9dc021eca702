#!/bin/bash
# Runs once, when PostgreSQL's volume is empty: the login role that owns and migrates the database, and the database.
# CREATEROLE is for the first start, which makes the four roles customhouse_…; it may be taken back afterwards.
set -euo pipefail

psql --username="$POSTGRES_USER" --dbname=postgres --set=ON_ERROR_STOP=1 \
    --set=password="$(cat /run/secrets/customhouse_password)" <<'SQL'
CREATE ROLE customhouse LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE customhouse OWNER customhouse;
REVOKE CONNECT ON DATABASE customhouse FROM PUBLIC;
SQL
