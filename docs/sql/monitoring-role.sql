-- The role that pgweir asks a server about its processes with (census_user), and no
-- right beyond that: pg_read_all_stats shows every session's state, wait and statement
-- in pg_stat_activity. It is a part of pg_monitor, of which nothing else is needed.
--
--     psql -X -v ON_ERROR_STOP=1 -d postgres -f monitoring-role.sql
--     psql -X -d postgres -c '\password pgweir_census'
--
-- Run once on each server, as a superuser or as a role that may create roles and grant
-- this one. Running it again changes nothing. PostgreSQL 14 to 18.

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pgweir_census') THEN
        CREATE ROLE pgweir_census LOGIN;
    END IF;
END
$$;

GRANT pg_read_all_stats TO pgweir_census;

-- Only where CONNECT has been taken away from PUBLIC in census_database:
-- GRANT CONNECT ON DATABASE postgres TO pgweir_census;

COMMIT;
