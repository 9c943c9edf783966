# shellcheck shell=bash
# debian.sh: Debian's packages without installing them; sourced after lib.sh, never run.
# They come from the archive that this machine's apt uses, signed by its keys. apt's own lists stay as they are: private ones are in DIR.

# debian_lists DIR: private package lists of binaries and sources, resolved as for a machine with nothing installed.
debian_lists() {
  local a=$1 keys=/usr/share/keyrings/debian-archive-keyring.gpg code main sec
  need apt-get apt-cache dpkg-deb
  APT=(-qq -y -o "Dir::Etc::sourcelist=$a/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State=$a/state"
    -o "Dir::State::status=$a/status" -o "Dir::Cache=$a/cache" -o APT::Sandbox::User=root -o Acquire::Retries=3
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Install-Recommends=false)
  code=$(. /etc/os-release && echo "$VERSION_CODENAME")
  main=$(archive "$code")
  sec=$(archive "$code-security")
  [ -n "$main" ] && [ -n "$sec" ] || die "apt's sources name no archive for $code and $code-security" 1
  mkdir -p "$a"/state/lists/partial "$a"/cache/archives/partial
  : > "$a/status"
  # Sources are asked of the release itself alone: what security had stays listed there when it is gone.
  printf "%s [signed-by=$keys arch=amd64] %s main\n" deb "$main $code" deb "$sec $code-security" deb-src "$main $code" > "$a/sources.list"
  retry apt-get "${APT[@]}" update
}

# debian_debs DIR PACKAGE...: the packages and all they depend on, alone in DIR/cache/archives.
debian_debs() {
  rm -f "$1"/cache/archives/*.deb
  retry apt-get "${APT[@]}" --download-only install "${@:2}" > /dev/null
}

# debian_source DIR PACKAGE: the upstream source of a package, unpacked in DIR/PACKAGE without its top directory.
debian_source() {
  local w=$1/.source
  rm -rf "$w" "${1:?}/$2"
  mkdir -p "$w" "$1/$2"
  (cd "$w" && retry apt-get "${APT[@]}" source --download-only "$2")
  tar -x --strip-components=1 -C "$1/$2" -f "$(find "$w" -name '*.orig.tar.*' ! -name '*.asc' -print -quit)"
  rm -rf "$w"
}

# debian_unpack DIR ROOT: what is in DIR/cache/archives, laid out in ROOT, which is new.
debian_unpack() {
  local d r=$2
  mkdir -p "$r"/usr/{bin,sbin,lib,lib64,local/bin} "$r"/{dev,etc,proc,sys,root,tmp,var}
  for d in bin sbin lib lib64; do ln -s "usr/$d" "$r/$d"; done
  for d in "$1"/cache/archives/*.deb; do dpkg-deb --fsys-tarfile "$d" | tar -x --keep-directory-symlink -C "$r"; done
  rm -rf "$r"/usr/share/{doc,man,info,locale,lintian,bash-completion,menu,pixmaps,applications,bug,doc-base,perl5} "$r"/usr/lib/*/gconv
  rm -rf "$r"/usr/lib/python3*/{test,idlelib,lib2to3,ensurepip,tkinter,turtledemo,pydoc_data,distutils} "$r"/usr/lib/valgrind
  find "$r/usr/share/zoneinfo" -mindepth 1 -maxdepth 1 ! -name UTC ! -name Etc -exec rm -rf {} + 2> /dev/null || true
  ln -sf dash "$r/usr/bin/sh"
  rm -rf "$r/var/run" && ln -s /run "$r/var/run"
  ln -sf /usr/share/zoneinfo/Etc/UTC "$r/etc/localtime"
}
