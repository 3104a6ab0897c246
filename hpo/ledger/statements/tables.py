"""The ledger's tables.

All time stamps come from the database's clock, so clocks of hosts do not matter. Each
table checks its values, so readers meet no invalid ones, whoever has written them.
Comparisons with BETWEEN refuse NaN, and casts to jsonb refuse NUL and half characters.
Python has no years of five digits.
"""

CREATE_SCHEMA = "CREATE SCHEMA IF NOT EXISTS hpo_ledger"

CREATE_CLOCK = """
CREATE OR REPLACE FUNCTION hpo_ledger.clock() RETURNS timestamptz
LANGUAGE sql VOLATILE
AS 'SELECT clock_timestamp()'"""

CREATE_HOLDS = """
CREATE OR REPLACE FUNCTION hpo_ledger.holds(until timestamptz, lease_s float8)
RETURNS boolean LANGUAGE sql VOLATILE
AS 'SELECT until > hpo_ledger.clock()
AND until <= hpo_ledger.clock() + make_interval(secs => lease_s * 4 / 3)'"""
"""Whether a lease is valid: for at most four thirds of it from now on, whatever the
clock said at its renewal. A clock that goes back a little frees no slot."""

CREATE_VERSION = """
CREATE TABLE IF NOT EXISTS hpo_ledger.version (
  id integer PRIMARY KEY DEFAULT 1,
  version integer NOT NULL)"""

CREATE_TIMELINE = """
CREATE OR REPLACE FUNCTION hpo_ledger.timeline() RETURNS text
LANGUAGE plpgsql STABLE
AS 'BEGIN RETURN (SELECT concat_ws(chr(32),
  CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS bigint),
  d.oid, v.tableoid, v.xmin)
FROM pg_database d, hpo_ledger.version v
WHERE datname = current_database() AND EXISTS (
  SELECT FROM pg_constraint
  WHERE conrelid = CAST(''trials'' AS regclass) AND contype = ''f'')); END'"""
"""What changes before a database can come back in another state.

A base backup, a promoted standby and a recovery to a point in time are servers of
another start. A database that is dropped, renamed or copied has another oid, tables
that are restored in place have another oid, and rows that are loaded again were written
by another transaction. Everybody may read all of it, and a pooler changes none of it. A
plain restart changes it, too, so the same state may have several names. It is null
while tables are being restored: the foreign key of trials comes last.
"""

CREATE_STUDIES = r"""
CREATE TABLE IF NOT EXISTS hpo_ledger.studies (
  id serial PRIMARY KEY,
  name text NOT NULL UNIQUE
    CHECK (name !~ E'[\u0001-\u001f\u007f-\u009f]'),
  spec json NOT NULL
    CHECK (CAST(spec AS jsonb) @@
      '$.objective.type() == "string" && $.budget.trials.type() == "number"'),
  about json NOT NULL
    CHECK (CAST(about AS jsonb) @@ '$.metric.type() == "string"'),
  spec_hash text NOT NULL,
  state text NOT NULL
    CHECK (state IN ('open', 'done', 'failed', 'stopped')),
  state_since timestamptz NOT NULL DEFAULT hpo_ledger.clock()
    CHECK (state_since BETWEEN '1900-01-01' AND '9000-01-01'),
  reason text,
  priority integer NOT NULL DEFAULT 0
    CHECK (priority BETWEEN -1000 AND 1000),
  optuna_study_id integer NOT NULL,
  amendments integer NOT NULL DEFAULT 0
    CHECK (amendments >= 0),
  failures_from integer NOT NULL DEFAULT 0
    CHECK (failures_from >= 0),
  search_end integer
    CHECK (search_end >= 0),
  search_end_reason text,
  code json NOT NULL DEFAULT '[]'
    CHECK (CAST(code AS jsonb) @@
      '!exists($[*] ?
        (!(exists(@.hash) && exists(@.modules.*) && exists(@.revision))))'),
  posterior json NOT NULL DEFAULT '{}'
    CHECK (json_typeof(posterior) = 'object'),
  baselines json
    CHECK (json_typeof(baselines) = 'array'),
  differences json  -- between two trainings of the first network
    CHECK (json_typeof(differences) = 'array'),
  created_at timestamptz NOT NULL DEFAULT hpo_ledger.clock()
    CHECK (created_at BETWEEN '1900-01-01' AND '9000-01-01'))"""

CREATE_WORKERS = r"""
CREATE TABLE IF NOT EXISTS hpo_ledger.workers (
  name text PRIMARY KEY
    CHECK (name !~ E'[\u0001-\u001f\u007f-\u009f]'),
  host text NOT NULL,
  pid integer NOT NULL,
  serves text,
  state text NOT NULL
    CHECK (state IN ('idle', 'working', 'waiting', 'ended', 'refused', 'lost')),
  doing text NOT NULL,
  refuses json NOT NULL DEFAULT '{}'
    CHECK (CAST(refuses AS jsonb) @@
      '$.type() == "object" && !exists($.* ? (@.type() != "string"))'),
  lease_s float8 NOT NULL
    CHECK (lease_s BETWEEN 0 AND 1e12),
  job text,
  log text,
  started_at timestamptz NOT NULL DEFAULT hpo_ledger.clock()
    CHECK (started_at BETWEEN '1900-01-01' AND '9000-01-01'),
  seen_at timestamptz NOT NULL DEFAULT hpo_ledger.clock()
    CHECK (seen_at BETWEEN '1900-01-01' AND '9000-01-01'),
  ended_at timestamptz
    CHECK (ended_at BETWEEN '1900-01-01' AND '9000-01-01'),
  numerics text)"""

CREATE_SLOTS = """
CREATE TABLE IF NOT EXISTS hpo_ledger.slots (
  id bigserial PRIMARY KEY,
  study_id integer NOT NULL REFERENCES hpo_ledger.studies ON DELETE CASCADE,
  phase text NOT NULL
    CHECK (phase IN ('search', 'confirm')),
  number integer NOT NULL
    CHECK (number >= 0),
  source integer
    CHECK (source >= 0),
  state text NOT NULL
    CHECK (state IN ('running', 'complete', 'pruned', 'failed', 'excluded')),
  params json
    CHECK (json_typeof(params) = 'object'),
  attrs json NOT NULL DEFAULT '{}'
    CHECK (json_typeof(attrs) = 'object'),
  score float8
    CHECK (score BETWEEN -1e100 AND 1e100),
  costs float8[] NOT NULL DEFAULT '{}'
    CHECK (array_position(costs, NULL) IS NULL
      AND coalesce(array_ndims(costs), 1) = 1
      AND NOT costs && CAST(ARRAY['NaN', 'Infinity', '-Infinity'] AS float8[])),
  cost float8 GENERATED ALWAYS AS (costs[1]) STORED,  -- for people's queries
  steps json NOT NULL DEFAULT '[]'
    CHECK (CAST(steps AS jsonb) @@ 'strict $.type() == "array" && !exists($[*] ? (
      @.type() != "array" || @.size() != 3 || exists(@[*] ? (@.type() != "number"))))'),
  worker text,
  token text,
  lease_until timestamptz
    CHECK (lease_until BETWEEN '1900-01-01' AND '9000-01-01'),
  lease_s float8
    CHECK (lease_s BETWEEN 0 AND 1e12),
  attempts integer NOT NULL  -- 0 of a running trial: enqueued, not begun
    CHECK (attempts >= 0),
  losses integer NOT NULL DEFAULT 0
    CHECK (losses >= 0),
  losses_in_a_row integer NOT NULL DEFAULT 0
    CHECK (losses_in_a_row >= 0),
  message text,
  lineage json NOT NULL DEFAULT '{}'
    CHECK (json_typeof(lineage) = 'object'),
  amendments json NOT NULL DEFAULT '[]'
    CHECK (json_typeof(amendments) = 'array'),
  optuna_trial_id integer,
  begins_at float8  -- in virtual time; null until it has begun
    CHECK (begins_at BETWEEN 0 AND 1e100),
  ends_at float8  -- likewise; while it runs, before when it cannot end
    CHECK (ends_at BETWEEN begins_at AND 1e100),
  started_at timestamptz NOT NULL DEFAULT hpo_ledger.clock()
    CHECK (started_at BETWEEN '1900-01-01' AND '9000-01-01'),
  finished_at timestamptz
    CHECK (finished_at BETWEEN '1900-01-01' AND '9000-01-01'),
  UNIQUE (study_id, phase, number))"""
"""Virtual times order the search; see ``CREATE_BEGINS_AT``. Without ``budget.clock`` a
trial begins and ends at its number."""

CREATE_RUNNING = """
CREATE INDEX IF NOT EXISTS slots_running ON hpo_ledger.slots (study_id, number)
WHERE state = 'running'"""

CREATE_ENDS = """
CREATE INDEX IF NOT EXISTS slots_ends ON hpo_ledger.slots (
  study_id, ends_at DESC, number DESC)
WHERE phase = 'search'"""

CREATE_BEGINS_AT = """
CREATE OR REPLACE FUNCTION hpo_ledger.begins_at(
  study integer, next integer, width integer)
RETURNS float8 LANGUAGE sql STABLE
AS $$
SELECT CASE WHEN next < width THEN 0 ELSE (
  SELECT ends_at
  FROM (
    SELECT number, state, ends_at FROM hpo_ledger.slots
    WHERE study_id = study AND phase = 'search' AND number < next
    ORDER BY ends_at DESC, number DESC
    OFFSET width - 1 LIMIT 1) AS last
  WHERE state <> 'running' AND NOT EXISTS (
    SELECT FROM hpo_ledger.slots AS other
    WHERE other.study_id = study AND other.phase = 'search' AND other.state = 'running'
      AND other.number < next
      AND (other.ends_at, other.number) < (last.ends_at, last.number))) END
$$"""
"""When a trial begins in virtual time, as one of ``width`` in flight: with the last end
of the trials that it sees. Null as long as these are not finished, or a running trial
may still come before them. A trial that has not begun, which is enqueued, has no end,
and comes last."""

CREATE_FAILED = """
CREATE INDEX IF NOT EXISTS slots_failed ON hpo_ledger.slots (study_id, number)
WHERE state = 'failed'"""

CREATE_MIRRORED = """
CREATE UNIQUE INDEX IF NOT EXISTS slots_mirrored ON hpo_ledger.slots (optuna_trial_id)
"""

CREATE_CHECK_TRIAL = """
CREATE OR REPLACE FUNCTION hpo_ledger.check_trial() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$
DECLARE
  study text;
BEGIN
  SELECT name INTO study FROM hpo_ledger.studies
  WHERE optuna_study_id = NEW.study_id AND NOT EXISTS (
    SELECT FROM hpo_ledger.slots
    WHERE optuna_trial_id = NEW.trial_id AND CASE
      WHEN TG_OP = 'INSERT' THEN number = NEW.number
      ELSE CAST(NEW.state AS text) = CASE
        WHEN state IN ('running', 'complete', 'pruned') THEN upper(state)
        ELSE 'FAIL' END END);
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = CASE TG_OP WHEN 'INSERT' THEN 'restrict_violation'
                         ELSE 'raise_exception' END,
    MESSAGE = concat('study ', study, ': hpo runs its trials, so nobody else may add or'
      ' tell one. Parameters of yours: hpo enqueue ', study, ' NAME=VALUE. More trials:'
      ' hpo resume ', study, ' --trials N. For study.optimize, create a study of'
      ' another name.');
END $$"""
"""Refuse what other programs write: each of our trials in Optuna's tables is a slot, of
its number and its state. So ``best_trial`` and ``trials[k]`` of Optuna are ours. It
runs at the end of a transaction, when the slot is written, too, and with the rights of
its owner, since other programs need not read the ledger. Optuna repeats an addition
after other errors than those of integrity, and hides these after a tell."""

CREATE_CHECK_ADDED = """
CREATE CONSTRAINT TRIGGER hpo_check_added AFTER INSERT ON trials
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION hpo_ledger.check_trial()"""

CREATE_CHECK_TOLD = """
CREATE CONSTRAINT TRIGGER hpo_check_told AFTER UPDATE OF state ON trials
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
EXECUTE FUNCTION hpo_ledger.check_trial()"""

CREATE_MEMBERS = """
CREATE TABLE IF NOT EXISTS hpo_ledger.members (
  slot_id bigint REFERENCES hpo_ledger.slots ON DELETE CASCADE,
  member integer,
  seed bigint NOT NULL,
  score float8 NOT NULL
    CHECK (score BETWEEN -1e100 AND 1e100),
  epochs integer NOT NULL,
  curve float8[] NOT NULL
    CHECK (array_position(curve, NULL) IS NULL
      AND coalesce(array_ndims(curve), 1) = 1),
  scored_at integer[] NOT NULL
    CHECK (cardinality(scored_at) = cardinality(curve)),
  loss_curve float8[] NOT NULL
    CHECK (array_position(loss_curve, NULL) IS NULL
      AND coalesce(array_ndims(loss_curve), 1) = 1),
  diverged boolean NOT NULL,
  info json NOT NULL
    CHECK (json_typeof(info) = 'object'),
  seconds float8 NOT NULL
    CHECK (seconds BETWEEN 0 AND 1e12),
  worker text NOT NULL,
  PRIMARY KEY (slot_id, member))"""

CREATE_CHECKPOINTS = """
CREATE TABLE IF NOT EXISTS hpo_ledger.checkpoints (
  slot_id bigint PRIMARY KEY REFERENCES hpo_ledger.slots ON DELETE CASCADE,
  member integer NOT NULL,
  epoch integer NOT NULL,
  curve float8[] NOT NULL
    CHECK (array_position(curve, NULL) IS NULL
      AND coalesce(array_ndims(curve), 1) = 1),
  scored_at integer[] NOT NULL
    CHECK (cardinality(scored_at) = cardinality(curve)),
  seconds float8 NOT NULL
    CHECK (seconds BETWEEN 0 AND 1e12),
  data bytea NOT NULL)"""

CREATE_NETWORKS = """
CREATE TABLE IF NOT EXISTS hpo_ledger.networks (
  slot_id bigint PRIMARY KEY REFERENCES hpo_ledger.slots ON DELETE CASCADE,
  data bytea NOT NULL)"""
"""Of each confirmed trial the network of least training loss."""

CREATE_LOSSES = """
CREATE TABLE IF NOT EXISTS hpo_ledger.losses (
  slot_id bigint REFERENCES hpo_ledger.slots ON DELETE CASCADE,
  at timestamptz DEFAULT hpo_ledger.clock()
    CHECK (at BETWEEN '1900-01-01' AND '9000-01-01'),
  host text NOT NULL,
  why text NOT NULL,
  PRIMARY KEY (slot_id, at))"""
"""Losses that count against a slot, or against the host of its worker."""

CREATE_NOTICES = """
CREATE TABLE IF NOT EXISTS hpo_ledger.notices (
  study_id integer REFERENCES hpo_ledger.studies ON DELETE CASCADE,
  notice text,
  claimed_at timestamptz,
  told_at timestamptz,
  PRIMARY KEY (study_id, notice))"""
"""Notifications of studies: the last one sent, and one that a worker is sending."""

CREATE_EVENTS = """
CREATE TABLE IF NOT EXISTS hpo_ledger.events (
  id bigserial PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT hpo_ledger.clock()
    CHECK (at BETWEEN '1900-01-01' AND '9000-01-01'),
  who text NOT NULL,
  what text NOT NULL,
  study text NOT NULL)"""
"""Interventions and notifications, of deleted studies, too. The role of workers only
adds to it."""

CREATE_ALL = (
    CREATE_SCHEMA,
    CREATE_CLOCK,
    CREATE_HOLDS,
    CREATE_VERSION,
    CREATE_TIMELINE,
    CREATE_STUDIES,
    CREATE_WORKERS,
    CREATE_SLOTS,
    CREATE_RUNNING,
    CREATE_ENDS,
    CREATE_BEGINS_AT,
    CREATE_FAILED,
    CREATE_MIRRORED,
    CREATE_CHECK_TRIAL,
    CREATE_CHECK_ADDED,
    CREATE_CHECK_TOLD,
    CREATE_MEMBERS,
    CREATE_CHECKPOINTS,
    CREATE_NETWORKS,
    CREATE_LOSSES,
    CREATE_NOTICES,
    CREATE_EVENTS,
)

STORE_VERSION = """
INSERT INTO hpo_ledger.version (version) VALUES (:version) ON CONFLICT DO NOTHING"""

HAS_VERSION = "SELECT to_regclass('hpo_ledger.version') IS NOT NULL"

HAS_OTHERS = "SELECT to_regprocedure('hpo_ledger.timeline()') IS NOT NULL"
"""Check for what is made with the tables, in one transaction."""

SELECT_VERSION = "SELECT version FROM hpo_ledger.version"

IS_WHOLE = "SELECT hpo_ledger.timeline() IS NOT NULL"

SELECT_RESETS = """
SELECT
  rolname,
  concat('ALTER ROLE ', quote_ident(rolname), ' IN DATABASE ' || quote_ident(datname),
         ' RESET ALL') AS reset
FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole
LEFT JOIN pg_database d ON d.oid = setdatabase
WHERE NOT rolsuper AND has_table_privilege(r.oid, 'hpo_ledger.slots', 'UPDATE')
  AND NOT pg_has_role(r.oid, (
    SELECT relowner FROM pg_class
    WHERE oid = CAST('hpo_ledger.slots' AS regclass)), 'MEMBER')"""
"""Select the roles of workers with lasting settings, and what resets them."""
