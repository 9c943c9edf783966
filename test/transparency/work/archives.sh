# Trees with links, holes, pipes, owners, attributes and lists, through tar, cpio and rsync.
set -e
mkdir -p tree/d/e tree/empty
echo a > tree/a
seq 2000 > tree/d/b
ln tree/d/b tree/d/hard
ln -s ../a tree/d/soft
ln -s nowhere tree/d/dangling
truncate -s 3M tree/hole
printf end >> tree/hole
mkfifo tree/pipe
chmod 4755 tree/a
chmod 700 tree/d/e
chown 1000:1000 tree/d/b
chown -h 1000 tree/d/soft
setfattr -n user.note -v value tree/a
setfacl -m u:1000:rw,g:1000:r tree/d/b
setfacl -d -m u:1000:rwx tree/d
touch -h -d 2020-01-01T00:00:00Z tree/a tree/d/soft
touch -d 2021-01-01T00:00:00Z tree/d/b tree/hole tree/pipe tree/d tree/d/e tree/empty tree
# The state of a tree: what ls, the lists, the attributes and the contents say.
state() {
  (cd "$1" && find . -printf '%P %y %m %U:%G %n %s %l\n' | grep -v ' d ' | sort
    find . -type d -printf '%P %y %m %U:%G\n' | sort
    find . -not -type d -printf '%P %TY-%Tm\n' | sort
    getfacl -R -n . && getfattr -R -P -h -d . && find . -type f | sort | xargs sha256sum)
}
state tree > state.tree
tar -c --acls --xattrs --sparse -f t.tar tree
mkdir tar && tar -x --acls --xattrs --same-owner -p -C tar -f t.tar
state tar/tree | diff state.tree - && echo tar is the same
tar -c -z -f t.tgz tree && tar -t -v -f t.tgz | awk '{ print $1, $2, $6 }' | sort
tar -r -f t.tar state.tree && tar -t -f t.tar | grep -c .
mkdir cpio && (cd tree && find . | cpio -pdm --quiet ../cpio)
(cd tree && find . | sort | cpio -o -H newc --quiet) > t.cpio
mkdir out && (cd out && cpio -idm --quiet --sparse < ../t.cpio)
diff -r --no-dereference -x pipe cpio out && echo cpio is the same
rsync -aAXHS tree/ rsync/
state rsync | diff state.tree - && echo rsync is the same
echo changed > tree/d/b
rm tree/a
rsync -aAXH --delete --inplace --itemize-changes tree/ rsync/ | sort
rsync -a --delete --backup --backup-dir=../kept --link-dest=../rsync tree/ linked/
cp -a --reflink=auto --sparse=always tree copied
find linked copied -printf '%P %y %m %n\n' | sort
gzip -k t.tar && gunzip -t t.tar.gz
rm -rf tar cpio out rsync linked copied kept
ls
