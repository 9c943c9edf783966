# A repository: history, clones with and without hard links, worktrees, packing. Dates are fixed, so the object names are.
set -e
export HOME=$PWD GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' GIT_PAGER=cat
git config --global user.name tester
git config --global user.email tester@example.invalid
git config --global init.defaultBranch main
git config --global advice.detachedHead false
git init -q origin
cd origin
for i in 1 2 3 4 5 6; do
  mkdir -p d$i/e
  seq $i 400 > d$i/e/f
  ln -s d$i/e/f l$i
  git add -A
  git commit -q -m "commit $i"
done
chmod +x d1/e/f
git commit -q -a -m mode
printf '#!/bin/sh\necho hook ran\n' > .git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
git checkout -q -b side HEAD~2
echo side > side
git add side
git commit -q -m side
git checkout -q main
git merge -q -m merge side
git mv d2 moved
git rm -q -r d3
git commit -q -m moved
git tag -a -m tag v1
cd ..
git clone -q origin linked
git clone -q --no-hardlinks origin copied
git clone -q "file://$PWD/origin" served
git clone -q --bare --depth 2 "file://$PWD/origin" shallow.git
cd served
git worktree add -q ../tree v1
git worktree list | sed "s#$HOME#HOME#"
(cd ../tree && echo more > more && git add more && git commit -q -m more && git log --oneline -1)
git worktree remove ../tree
echo x >> d1/e/f
git stash -q
git stash pop -q
git checkout -q -- d1/e/f
git checkout -q -b topic HEAD~1
echo topic > topic
git add topic
git commit -q -m topic
git rebase -q main
git push -q origin topic
git gc -q --prune=now
git repack -q -a -d -f
git fsck --full --strict
echo junk > junk
git clean -q -f
git archive HEAD | tar -t
git bundle create -q ../bundle main
cd ..
git -C linked bundle verify -q ../bundle
git -C linked pull -q origin topic
for r in origin linked copied served; do
  git -C $r status --porcelain
  git -C $r log --all --format='%H %s' | sort
done
git -C shallow.git rev-list --count HEAD
du -a served | wc -l
