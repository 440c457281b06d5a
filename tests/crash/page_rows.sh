#!/bin/bash
# page_rows.sh SOURCE: three lists agree: the engine's calls (libpmemfile/fs/*.h), the rows of docs/crash-consistency.md, and
# what the crash explorer runs (vocabulary.cpp, words.cpp, script.cpp). A call that changes something has a row and is run, and a
# row is about calls that are run. Who adds a call, or a row, says here which it is.
set -u
cd "$1" || exit 1
page=docs/crash-consistency.md
explorer=(tests/crash/vocabulary.cpp tests/crash/words.cpp tests/crash/script.cpp)
failed=0
complain() {
    echo "FAILED: $*"
    failed=1
}

# Change nothing on the media by themselves: they read, or what they change dies with the last process, or they make
# durable what programs have stored.
unchanging="fs_attributes fs_stat fs_access fs_statfs fs_getdents64 fs_getxattr fs_listxattr fs_pread fs_read fs_readlink fs_seek
    fs_open_path fs_inode_path fs_open_inode fs_check_open_flags fs_set_flags fs_lock_record fs_flock fs_land fs_map_run fs_map_sync"

# Call | words of its row's first column | how the explorer runs it (a pattern).
changing="
fs_open | open with O_CREAT | fs_open(thread, at(thread, path), O_CREAT
fs_open | open with O_TMPFILE | O_TMPFILE | O_RDWR
fs_open_unnamed | open with O_TMPFILE | O_TMPFILE | O_RDWR
fs_open | O_TRUNC | O_RDWR | O_TRUNC
fs_mknod | open with O_CREAT (new), mknod | fs_mknod(
fs_mknod | below a directory with a default access control list | create(\"d/e/file\")
fs_link | linkat of a file of O_TMPFILE | O_TMPFILE
fs_link | link | fs_link(
fs_mkdir | mkdir | fs_mkdir(
fs_symlink | symlink | fs_symlink(
fs_unlink | unlink, another name left | make_link(
fs_unlink | unlink of the last name | fs_unlink(
fs_unlink | unlink of the last name, while open or mapped | while_open(
fs_close | last close of an orphan | while_open(
fs_rmdir | rmdir | fs_rmdir(
fs_rename | rename | fs_rename(
fs_rename | rename with RENAME_WHITEOUT | whiteout)
fs_rename | rename with RENAME_EXCHANGE | exchange)
fs_chmod | chmod, chown, utimensat | fs_chmod(
fs_chown | chmod, chown, utimensat | fs_chown(
fs_utimens | chmod, chown, utimensat | fs_utimens(
fs_setxattr | setxattr, removexattr: all of the file's attributes in up to 2 KiB | fs_setxattr(
fs_setxattr | the same, more than 2 KiB | \"security.d\", 65536
fs_removexattr | setxattr, removexattr: all of the file's attributes in up to 2 KiB | fs_removexattr(
fs_drop_capability | to a file with security.capability | \"security.capability\"
fs_pwrite | write up to 128 bytes of file in all | fs_pwrite(
fs_write | write up to 2 KiB | fs_write(
fs_pwrite | write, larger | write_at(\"f\", 0, 65536
fs_pwrite | write of any size into a shared block | write_at(\"b\", 5000, 64, 'b')
fs_copy_range | copy_file_range | fs_copy_range(
fs_clone_range | FICLONE, FICLONERANGE at or behind the target's end | fs_clone_range(
fs_clone_range | the same over older bytes | clone_range(\"a\", 0, \"c\", 8192, 16384)
fs_ftruncate | truncate or punch inside a shared block, MAP_SHARED of a cloned file | truncate_to(\"c\", 6000)
fs_ftruncate | truncate, ftruncate, O_TRUNC | fs_ftruncate(
fs_truncate | truncate, ftruncate, O_TRUNC | fs_truncate(
fs_fallocate | fallocate | fs_fallocate(
fs_fallocate | fallocate PUNCH_HOLE | FALLOC_FL_PUNCH_HOLE
fs_fallocate | fallocate ZERO_RANGE | FALLOC_FL_ZERO_RANGE
fs_fallocate | fallocate UNSHARE_RANGE | FALLOC_FL_UNSHARE_RANGE
fs_fallocate | fallocate COLLAPSE_RANGE, INSERT_RANGE | FALLOC_FL_COLLAPSE_RANGE
fs_fallocate | PUNCH_HOLE, ZERO_RANGE of a file mapped shared | while_mapped(\"m\", allocate(
fs_fallocate | PUNCH_HOLE of a file that is only mapped private | 5'000), false)
fs_map_begin | mmap of more than 4,096 scattered pieces | map_pieces_max = 2
fs_map_begin | mmap, shared and writable | fs_map_begin(
fs_map_end | mmap, shared and writable | fs_map_end(
fs_grow | growth | fs_grow(
transactions | transaction of several calls | in_transaction(
"
# Rows of what makes no record.
still="open (existing)
stores through a shared mapping
msync
fsync, fdatasync, sync"

mapfile -t rows < <(sed -n '/^## Calls/,/^\*\*Freeing/s/^| \([^|]*\) |.*/\1/p' "$page" | grep -vE '^(call|---)')
[ ${#rows[@]} -gt 30 ] || complain "$page: its table of calls is not found"
mapfile -t calls < <(grep -ohE '\bfs_[a-z_0-9]+\(' libpmemfile/fs/*.h | tr -d '(' | sort -u)
[ ${#calls[@]} -gt 40 ] || complain "the engine's calls are not found"

declare -A has_row is_said
for row in "${rows[@]}"; do has_row[$row]=no; done
row_with() { # the row that is these words, or the one that has them
    local row
    for row in "${rows[@]}"; do [ "$row" = "$1" ] && echo "$row" && return; done
    for row in "${rows[@]}"; do [[ $row == *"$1"* ]] && echo "$row" && return; done
}
while IFS= read -r line; do
    [ -n "$line" ] || continue
    call=${line%% | *} rest=${line#* | }
    words=${rest%% | *} pattern=${rest#* | }
    is_said[$call]=yes
    row=$(row_with "$words")
    if [ -n "$row" ]; then has_row[$row]=yes; else complain "$page has no row '$words' ($call)"; fi
    grep -qF -e "$pattern" "${explorer[@]}" || complain "the explorer does not run '$pattern' ($call, $words)"
done <<<"$changing"
while IFS= read -r words; do
    row=$(row_with "$words")
    if [ -n "$row" ]; then has_row[$row]=yes; else complain "$page has no row '$words'"; fi
done <<<"$still"
for call in $unchanging; do is_said[$call]=yes; done
for call in "${calls[@]}"; do
    [ -n "${is_said[$call]-}" ] || complain "$call: does it change anything? It has no row and is not run"
done
for call in "${!is_said[@]}"; do
    [ "$call" = transactions ] || printf '%s\n' "${calls[@]}" | grep -qx "$call" || complain "$call is none of the engine's calls"
done
for row in "${rows[@]}"; do
    [ "${has_row[$row]}" = yes ] || complain "$page: nothing is known of the row '$row'"
done
[ $failed = 0 ] && echo "${#calls[@]} calls, ${#rows[@]} rows"
exit $failed
