-- The role that pgweir asks for users' secrets with (auth_user), and the function that
-- it asks (auth_query). The role can read nothing but what the function gives: the
-- secret of one user who may log in, and never a superuser's.
--
--     psql -X -v ON_ERROR_STOP=1 -d DATABASE -f auth-query.sql
--     psql -X -d DATABASE -c '\password pgweir_auth'
--
-- DATABASE is the one that auth_dbname leads to. Run as a superuser, whose rights the function has.
-- Running it again changes nothing. PostgreSQL 14 to 18. In pgweir's configuration:
--
--     auth_user = "pgweir_auth"
--     auth_dbname = "NAME"           # of its [databases.NAME]
--     auth_query = "SELECT * FROM pgweir.secret_of($1)"

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pgweir_auth') THEN
        CREATE ROLE pgweir_auth LOGIN;
    END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS pgweir;

CREATE OR REPLACE FUNCTION pgweir.secret_of(text, OUT name, OUT text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END
    FROM pg_authid
    WHERE rolname = $1 AND rolcanlogin AND NOT rolsuper
$$;

REVOKE ALL ON FUNCTION pgweir.secret_of FROM PUBLIC;
GRANT USAGE ON SCHEMA pgweir TO pgweir_auth;
GRANT EXECUTE ON FUNCTION pgweir.secret_of TO pgweir_auth;

COMMIT;
