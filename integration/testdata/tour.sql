-- What psql shows of a tour through PostgreSQL, each stop of which must read
-- the same with and without a pooler.
\set VERBOSITY verbose
\set SHOW_CONTEXT always
select 1 as one, 'two' as two, null as three;
select 1/0;
select * from
  nowhere
 where true;
create table tour (id serial primary key, word text not null, n numeric(6,2));
\d tour
insert into tour (word, n) values ('alpha', 1.5), ('beta', null), ('gamma', 12.345) returning *;
insert into tour (word) values (null);
\copy tour (word, n) from stdin
delta	4
epsilon	\N
\.
\copy tour to stdout csv header
copy tour (word, n) from stdin;
bad	row	here
\.
copy (select * from tour order by id) to stdout;
begin;
savepoint a;
insert into tour (id, word) values (1, 'again');
rollback to a;
select count(*) from tour;
commit;
begin; select 1; select 2; rollback;
select 1 \; select 2 \; select 1/0 \; select 3;
do $$ begin raise notice 'noted'; raise exception 'excepted' using errcode = 'P0042'; end $$;
\gset
select word, n from tour order by id \gx
select 'a' as x, 'b' as y \gset pre_
\echo :pre_x :pre_y
\set FETCH_COUNT 3
select g, repeat('x', g) from generate_series(1, 10) g;
\unset FETCH_COUNT
set timezone to 'Asia/Kathmandu';
select '2024-02-29 12:00Z'::timestamptz;
reset timezone;
show timezone;
set application_name to 'the tour';
show application_name;
\encoding LATIN1
select 'ASCII';
\encoding UTF8
prepare p (int) as select $1 * 2 as doubled;
execute p (21);
deallocate p;
declare c cursor for select 1;
begin;
declare c cursor for select id from tour order by id;
fetch 2 from c;
move 1 in c;
fetch 1 from c;
commit;
explain (costs off) select * from tour where id = 1;
\gdesc
select 1 as number, 'x'::varchar(3) as text \gdesc
select 'unterminated
  but ended';
create temp table passing (a int);
\dt pg_temp.*
drop table passing;
set statement_timeout to 500;
select pg_sleep(10);
reset statement_timeout;
select lo_from_bytea(4242, 'large');
\lo_list
select lo_unlink(4242);
\timing off
\errverbose
vacuum tour;
drop table tour;
\echo :LAST_ERROR_SQLSTATE :SERVER_VERSION_NUM :ENCODING
