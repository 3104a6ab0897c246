-- The role of workers: all rights on the rows that studies are made of, none on the tables, so that
-- a worker that was broken into, or is of another version, can neither alter nor drop them. Run it
-- as the owner of the tables, after `hpo storage migrate`, as often as you like; beside workers, too:
--
--     psql URL -v role=hpo_worker -v password_file=FILE -f docker/worker-role.sql
--
-- With -v reads=1 it is the role of dashboards, which reads and cannot write.
-- -v connections=N lets it have N connections at once (-1: no limit); without, a limit stays as it
-- is, and a new role has none. A worker needs one or two, a launch four, a dashboard eight.
-- Without password_file the role keeps the password that it has: set one by `\password hpo_worker`,
-- which no log of the server holds. A superuser, on a server that serves nothing else, adds
-- -v alone=1: the role then reaches no other database that is there, and makes no large objects,
-- which could fill the disk. What it can do beyond its task is told at the end.
\set ON_ERROR_STOP on
\set QUIET on
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT pg_advisory_xact_lock(6844527) \g /dev/null
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole)) THEN
    RAISE EXCEPTION 'the role % may not create roles', current_user
      USING HINT = format('As a superuser: ALTER ROLE %I CREATEROLE', current_user);
  END IF;
END $$;
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
\if :{?password_file}
  \set password `cat :'password_file'`
  SET LOCAL password_encryption = 'scram-sha-256';
  ALTER ROLE :"role" LOGIN PASSWORD :'password';
\endif
\if :{?connections}
  ALTER ROLE :"role" CONNECTION LIMIT :connections;
\endif
-- What it may have set for its own later sessions; a password it can always change.
ALTER ROLE :"role" RESET ALL;
SELECT format('ALTER ROLE %I IN DATABASE %I RESET ALL', rolname, datname)
FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole JOIN pg_database d ON d.oid = setdatabase
WHERE rolname = :'role' \gexec

REVOKE TEMPORARY ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public, hpo_ledger TO :"role";
REVOKE ALL ON ALL TABLES IN SCHEMA public, hpo_ledger FROM :"role";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public, hpo_ledger FROM :"role";
GRANT SELECT ON ALL TABLES IN SCHEMA public, hpo_ledger TO :"role";
\if :{?reads}
  \set who dashboards
\else
  \set who workers
  GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, hpo_ledger TO :"role";
  GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public, hpo_ledger TO :"role";
  REVOKE INSERT, UPDATE, DELETE ON alembic_version, version_info, hpo_ledger.version FROM :"role";
  REVOKE UPDATE, DELETE ON hpo_ledger.events FROM :"role";
\endif
\if :{?alone}
  SELECT format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC, %I', datname, :'role')
  FROM pg_database WHERE datname <> current_database() \gexec
  REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
\endif

-- A role that may do more is refused: the promise would be an empty one.
SELECT set_config('hpo.role', :'role', true) \g /dev/null
DO $$
DECLARE
  mine name := current_setting('hpo.role');
  more text;
BEGIN
  SELECT string_agg(what, ', ') INTO more FROM pg_roles, LATERAL (VALUES
    ('superuser', rolsuper),
    ('createrole', rolcreaterole),
    ('createdb', rolcreatedb),
    ('member of ' || current_user, NOT rolsuper AND pg_has_role(oid, current_user, 'MEMBER')),
    ('create in the database', has_database_privilege(oid, current_database(), 'CREATE')),
    ('make temporary tables', has_database_privilege(oid, current_database(), 'TEMPORARY')),
    ('create tables', has_schema_privilege(oid, 'public', 'CREATE')
      OR has_schema_privilege(oid, 'hpo_ledger', 'CREATE'))) AS rights (what, has)
  WHERE rolname = mine AND has;
  IF more IS NOT NULL THEN
    RAISE EXCEPTION 'the role of workers must have no rights but on the rows of the tables, but % has: %', mine, more
      USING HINT = 'Name another role; one that does not exist is made.';
  END IF;
END $$;
COMMIT;
\echo :who connect as :role
SELECT format('it also can: %s; a superuser denies that by -v alone=1', string_agg(what, ', ' ORDER BY what))
FROM (SELECT 'connect to database ' || datname FROM pg_database
      WHERE datallowconn AND datname <> current_database()
        AND has_database_privilege(:'role', datname, 'CONNECT')
      UNION ALL SELECT 'make large objects'
      WHERE has_function_privilege(:'role', 'lo_from_bytea(oid, bytea)', 'EXECUTE')) AS more (what)
HAVING count(*) > 0 \g (tuples_only=on format=unaligned)
