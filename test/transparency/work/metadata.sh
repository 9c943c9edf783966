# Attributes, access control lists, inode flags, times, modes and owners, as root and as a user; what a watcher is told of it.
mkdir -p watched/sub
: > events
inotifywait -q -m -r --format '%w%f %e' watched > events 2> /dev/null &
watcher=$!
while [ "$(grep -c ^inotify /proc/$watcher/fdinfo/* 2> /dev/null | awk -F: '{ n += $2 } END { print n }')" -lt 2 ]; do sleep 0.1; done

# try COMMAND...: it may end as it likes, the same with and without a gate.
try() { "$@" || echo "$1: status $?"; }
# user COMMAND...: as the user app.
user() { try setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
show() { stat -c '%n %A %u:%g %h %s %F' "$@" && getfacl -c -n -- "$@" && getfattr -d -m - -- "$@"; }

cd watched || exit 1
chmod 777 .
echo one > f
ln f hard
ln -s f soft
ln -s nowhere dangling
mkfifo pipe
mknod device c 1 3
try dd if=device of=/dev/null count=1 status=none
for a in 600 4755 2755 1777; do chmod $a f; done
chmod g+s sub
chown 1000:1000 f
chown -h 1000:1000 soft dangling
chown --from=1000 0 hard
chmod u+s f
user sh -c 'echo more >> f'
show f
setfattr -n user.a -v 1 f
setfattr -n user.b -v 2 f sub
setfattr -x user.a f
try setfattr -n user.a -v 1 -h soft
try setfattr -n trusted.t -v 1 -h soft
try setfattr -n security.s -v 1 f
try setfattr -x user.missing f
setfacl -m u:1000:rw f
setfacl -m d:u:1000:rwx,d:g::r sub
setfacl -x u:1000 f
setfacl -m m::r f
getfacl -R -n . > ../lists
setfacl -b f
setfacl -k sub
setfacl --restore=../lists
touch -d 2020-02-02T02:02:02Z f
touch -a -d 2020-02-03T02:02:02Z f
touch -h -d 2020-02-04T02:02:02Z soft dangling
touch -c missing
touch -r f sub
touch pipe
stat -c '%n %X %Y' f soft dangling sub
chattr +a f
try sh -c 'echo no > f'
echo appended >> f
chattr -a +i f
try touch f
try rm -f f
try chmod 600 f
chattr -i f
lsattr -d f | cut -c 5-6
truncate -s 100000 f
fallocate -l 200000 f
fallocate -p -o 4096 -l 8192 f
fallocate -z -o 20480 -l 4096 f
try fallocate -c -o 0 -l 4096 f
fallocate -d f
cp --sparse=always f copy
cmp f copy
flock f true
install -m 750 -o 1000 -g 1000 f installed
user sh -c 'umask 077; echo mine > mine && chmod 640 mine && setfattr -n user.m -v 1 mine && setfacl -m u:0:r mine && touch -d 2020-02-02 mine'
user touch installed
user chown 0 mine
user touch device
user rm -f installed
chmod 755 .
user rm -f mine
user touch sub
mv -T f sub/f
mv sub moved
ln moved/f back
show back mine moved moved/f
rm -rf moved
rm hard back copy
rmdir missing || true
cd .. || exit 1
sync
sleep 0.3
kill $watcher # of which the shell speaks sooner or later
wait $watcher 2> /dev/null
sort -u events
