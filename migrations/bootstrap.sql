-- Roles and databases of cartledger: run by a superuser, with psql 15 or newer, before the migrations. Safe to run again.
--
-- Passwords come from the environment, so that they stand in no process list: COMMAND_OWNER_PASSWORD,
-- COMMAND_PASSWORD, QUERY_OWNER_PASSWORD, QUERY_PASSWORD.
--
-- An owner role runs the migrations of its database; a service role may connect to its own database only, and has
-- there what the migrations grant to it.

\set ON_ERROR_STOP on
\set QUIET on
\getenv command_owner_password COMMAND_OWNER_PASSWORD
\getenv command_password COMMAND_PASSWORD
\getenv query_owner_password QUERY_OWNER_PASSWORD
\getenv query_password QUERY_PASSWORD

-- No password in the server's log either, whatever it is set to.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';

SELECT format('CREATE ROLE %I', role)
FROM unnest(ARRAY['cartledger_command_owner', 'cartledger_command', 'cartledger_query_owner', 'cartledger_query']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
\gexec

ALTER ROLE cartledger_command_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'command_owner_password';
ALTER ROLE cartledger_command       LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'command_password';
ALTER ROLE cartledger_query_owner   LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'query_owner_password';
ALTER ROLE cartledger_query         LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'query_password';

SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8''', name, name || '_owner')
FROM unnest(ARRAY['cartledger_command', 'cartledger_query']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name)
\gexec

REVOKE ALL ON DATABASE cartledger_command, cartledger_query FROM PUBLIC;
GRANT CONNECT ON DATABASE cartledger_command TO cartledger_command;
GRANT CONNECT ON DATABASE cartledger_query TO cartledger_query;

\connect cartledger_command
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO cartledger_command_owner;
GRANT USAGE ON SCHEMA public TO cartledger_command;

\connect cartledger_query
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO cartledger_query_owner;
GRANT USAGE ON SCHEMA public TO cartledger_query;
