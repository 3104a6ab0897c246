# Sourced at the first start of PostgreSQL: makes the database and its owner, who is no superuser.
# The superuser is left without a password: it comes in by the socket of the container alone.
psql --no-psqlrc --username postgres <<'SQL'
\set ON_ERROR_STOP on
\set password `cat /run/secrets/owner`
CREATE ROLE hpo LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE hpo OWNER hpo;
ALTER ROLE postgres PASSWORD NULL;
-- The role of workers (worker-role.sql) is kept out of other databases, and makes no large objects.
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
\connect hpo
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
SQL
