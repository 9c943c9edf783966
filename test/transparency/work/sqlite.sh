# A data base in each journal mode, also through shared memory maps.
set -e
for mode in delete truncate persist wal memory; do
  sqlite3 db-$mode << END
pragma journal_mode = $mode;
pragma mmap_size = 1048576;
create table t (id integer primary key, v text);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 500) insert into t select i, hex(i * 7919) from n;
commit;
begin;
delete from t where id % 3 = 0;
rollback;
update t set v = v || 'x' where id % 2 = 0;
create index i on t (v);
select count(*), sum(length(v)) from t;
vacuum;
pragma integrity_check;
END
  sqlite3 db-$mode ".backup copy-$mode"
  sqlite3 copy-$mode 'select count(*) from t'
done
# Two at once: a writer holds the lock, a reader goes on from the log.
sqlite3 db-wal 'begin immediate; insert into t values (9999, 1);' '.shell sqlite3 db-wal "select count(*) from t"' 'rollback;'
sqlite3 db-wal '.dump' | sha256sum
ls
