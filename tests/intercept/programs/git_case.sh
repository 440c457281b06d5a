# git_case: a history made, merged, cloned over a pipe, packed by threads and checked.
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
git init -q -b main g && cd g && git config user.email a@b && git config user.name n
for i in $(seq $((3 * SCALE))); do seq 1 $((i * 100)) >f$i; git add . && git commit -qm c$i; done
git checkout -qb side && echo more >f6 && git add . && git commit -qm side && git checkout -q main && git merge -q --no-ff -m merged side
git log --oneline --graph && git -c pack.threads=3 gc -q && git fsck --full 2>&1
cd .. && git clone -q "file://$PWD/g" g2 && cd g2 && git log -1 --format=%H && git diff --stat HEAD~2 && git grep -c 33 | head -3 && git archive HEAD | sha256sum
