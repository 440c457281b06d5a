#!/bin/bash
# git_case: a small history made, merged, cloned, packed and checked.
# needs: git
set -eu
export LC_ALL=C HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
git init -q -b main repo
cd repo
for i in $(seq 1 60); do mkdir -p "d$((i % 7))"; seq 1 "$i" > "d$((i % 7))/f$i"; done
git add . && git commit -qm first
git checkout -qb side && seq 100 200 > d1/side && git add . && git commit -qm side
git checkout -q main && echo more >> d2/f2 && git commit -qam main
git merge -q -m merged side
git mv d3 moved && git rm -q d4/f4 && git commit -qm moved
git log --oneline --graph
git status --short
cd .. && git clone -q repo clone && cd clone
git log -1 --format=%H && git branch -a
echo change > new && git add new && git commit -qm new && git push -q origin HEAD:pushed
cd ../repo && git gc -q --prune=now && git fsck --full --strict 2>&1
git diff --stat main pushed && git ls-tree -r pushed | wc -l
git stash list && git tag v1 && git describe --tags
# A second work tree, a stash, a rebase, a bisection, an archive, a bundle, a submodule.
git worktree add -q ../second side && echo w > ../second/w && git -C ../second add w && git -C ../second commit -qm second && git worktree list | wc -l
echo stashed >> d1/f1 && git stash push -q && git status --short && git stash pop -q && git diff --stat && git checkout -q d1/f1
git checkout -qb rebased pushed && git rebase -q main && git log --oneline | head -2 | cut -d' ' -f2 && git checkout -q main
git bisect start HEAD "$(git rev-list --max-parents=0 HEAD)" > /dev/null && git bisect run sh -c '! grep -q more d2/f2' 2>&1 | grep -c 'first bad commit'; git bisect reset > /dev/null 2>&1
git archive HEAD | tar t | wc -l && git bundle create -q ../bundle --all && git bundle verify -q ../bundle && git clone -q ../bundle ../unbundled
git -c protocol.file.allow=always submodule --quiet add ../clone inner && git commit -qm inner && git submodule status | cut -d' ' -f3
git blame -s d2/f2 | tail -1 | cut -d' ' -f2- && git cherry-pick rebased~0 > /dev/null && git reset -q --hard HEAD~1 && git reflog | wc -l && git clean -fdqx
git worktree remove ../second && git worktree prune && git branch | sort
rm -rf ../bundle ../unbundled/.git ../wt
# Pack and index files hold times and thread-dependent deltas: the tree is compared without them.
rm -rf .git/modules inner .git/objects/pack .git/index ../clone/.git/objects/pack ../clone/.git/index .git/objects/info ../clone/.git/logs
