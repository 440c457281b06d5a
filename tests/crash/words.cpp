// The calls of which sequences are made, and the trees that they work on.
#include "tests/crash/vocabulary.h"

#include <linux/falloc.h>
#include <sys/stat.h>

namespace crash {

namespace {

std::vector<Operation> sequence_tree() {
    return {make_directory("A"),
            make_directory("B"),
            make_directory("A/empty"),
            make_directory("B/full"),
            create("A/inline"),
            write_at("A/inline", 0, 60, 'a'),
            create("A/small"),
            write_at("A/small", 0, 9000, 'b'),
            create("B/large"),
            write_at("B/large", 0, 70000, 'c'),
            write_at("B/large", 3'000'000, 5000, 'd'),
            create("B/full/inside"),
            make_link("A/small", "B/linked"),
            make_symlink("inline", "A/symlink"),
            set_xattr("A/small", "user.initial", 100, 'i')};
}

Operation holding(unsigned locks, Operation operation) {
    operation.holds = locks;
    return operation;
}

} // namespace

std::vector<Operation> initial_tree() {
    std::vector<Operation> tree = sequence_tree();
    for (const Operation &operation : {make_directory("t2"), create("t2/inline"), write_at("t2/inline", 0, 40, 'e'),
                                       create("t2/small"), write_at("t2/small", 0, 9000, 'f')})
        tree.push_back(operation);
    return tree;
}

std::vector<Operation> initial_trees() {
    std::vector<Operation> trees = sequence_tree();
    trees.push_back(make_directory("t2"));
    for (const Operation &operation : sequence_tree())
        trees.push_back(below("t2", operation));
    return trees;
}

std::vector<Operation> sequence_vocabulary() {
    constexpr unsigned exchange = 2; // RENAME_EXCHANGE
    constexpr unsigned whiteout = 4; // RENAME_WHITEOUT
    return {
        create("A/new"),
        create("B/full/new", 0600),
        grow(24 << 20),
        create_unnamed("A", 100, '1', ""),
        create_unnamed("A", 100, '2', "A/new"),
        create_unnamed("B/full", 9000, '3', "A/linked"),
        make_node("A/fifo", S_IFIFO),
        make_directory("A/directory"),
        make_directory("A/empty/directory"),
        remove_directory("A/empty"),
        remove_directory("A/directory"),
        make_symlink("somewhere", "B/short"),
        make_symlink(std::string(300, 't'), "A/long"),
        unlink_name("A/long"),
        make_link("A/inline", "B/link"),
        make_link("B/large", "A/link"),
        unlink_name("A/inline"),
        unlink_name("A/small"),
        unlink_name("B/linked"),
        unlink_name("B/large"),
        unlink_name("A/new"),
        while_open("A/inline", {unlink_name("A/inline")}),
        while_open("B/large", {unlink_name("B/large")}),
        while_open("B/linked", {unlink_name("A/small"), unlink_name("B/linked"), append("t2/inline", 1, 'z')}),
        rename_name("A/inline", "A/renamed"),
        rename_name("A/inline", "B/moved"),
        rename_name("A/inline", "A/small"),
        rename_name("A/new", "B/large"),
        rename_name("B/large", "A/inline"),
        holding(holds_rename_lock, rename_name("A/empty", "B/moved")),
        holding(holds_rename_lock, rename_name("B/full", "A/empty")),
        holding(holds_rename_lock, rename_name("A/empty", "B/full/deeper")),
        rename_name("A/inline", "B/large", exchange),
        holding(holds_rename_lock, rename_name("A/empty", "B/full", exchange)),
        holding(holds_rename_lock, rename_name("A/empty", "B/linked", exchange)),
        rename_name("A/inline", "A/renamed", whiteout),
        rename_name("A/small", "B/large", whiteout),
        holding(holds_rename_lock, rename_name("A/empty", "B/moved", whiteout)),
        write_at("A/inline", 20, 60, 'f'),
        write_at("A/inline", 100, 100, 'g'),
        write_at("A/inline", 5000, 20, 'h'),
        write_at("A/inline", 0, 9000, 'i'),
        write_at("A/new", 0, 100, 'j'),
        write_at("A/small", 1000, 64, 'k'),
        write_at("A/small", 4000, 200, 'l'),
        write_at("A/small", 4096, 4096, 'm'),
        write_at("A/small", 100, 4096, 'n'),
        write_at("A/small", 8000, 3000, 'o'),
        write_at("A/small", 50000, 64, 'p'),
        write_at("B/large", 60000, 20000, 'q'),
        write_at("B/large", 0, 65536, 'r'),
        write_at("B/large", 4'000'000'000, 64, 's'),
        write_pieces("A/small", 4090, {3, 900, 5000, 1}, 't'),
        append("A/inline", 20, 'u'),
        append("A/inline", 100, 'v'),
        append("A/small", 64, 'w'),
        append("A/small", 4096, 'x'),
        append("B/large", 12000, 'y'),
        truncate_to("A/inline", 10),
        truncate_to("A/inline", 5000),
        truncate_to("A/small", 0),
        truncate_to("A/small", 4100),
        truncate_to("A/small", 20000),
        truncate_to("B/large", 30000),
        truncate_to("B/large", 65536),
        open_truncating("A/small"),
        open_truncating("B/large"),
        open_truncating("A/inline"),
        allocate("A/small", 0, 5000, 20000),
        allocate("A/inline", 0, 0, 4096),
        allocate("B/large", FALLOC_FL_KEEP_SIZE, 50000, 100000),
        allocate("B/large", FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 10000, 30000),
        allocate("A/small", FALLOC_FL_ZERO_RANGE, 3000, 3000),
        shift_range("B/large", FALLOC_FL_COLLAPSE_RANGE, 8192, 20480),
        shift_range("B/large", FALLOC_FL_INSERT_RANGE, 8192, 20480),
        shift_range("A/small", FALLOC_FL_COLLAPSE_RANGE, 0, 4096),
        shift_range("A/small", FALLOC_FL_INSERT_RANGE, 4096, 80000 / 4096 * 4096),
        shift_range("A/inline", FALLOC_FL_INSERT_RANGE, 0, 4096),
        copy_range("A/small", 100, "A/inline", 10, 40),
        copy_range("B/large", 0, "A/small", 2000, 65536),
        copy_range("B/large", 4096, "B/large", 2'999'000, 1500),
        clone_range("B/large", 0, "A/new", 0, 0, true), // it may be there already
        clone_range("B/large", 0, "A/inline", 0, 8192, true),
        clone_range("B/large", 4096, "A/small", 4096, 12288, true),
        clone_range("B/large", 0, "B/large", 2 << 20, 16384, true),
        set_xattr("A/inline", "user.short", 20, 'A'),
        set_xattr("A/small", "user.initial", 3000, 'B'),
        set_xattr("A/small", "trusted.long", 30000, 'C'),
        remove_xattr("A/small", "user.initial"),
        set_acl("B/large", false, 3),
        set_acl("A", true, 2),
        change_mode("A/inline", 0600),
        change_mode("B", 0700),
        change_owner("A/small", 7, 8),
        change_times("A/inline", 1000),
        change_times("B/large", 2000),
        change_mode(".", 0711),
        in_transaction("in A and B", {write_at("A/small", 100, 500, 'T'), rename_name("A/inline", "B/came"),
                                      write_at("B/large", 0, 8192, 'T'), create("A/made")}),
        in_transaction("that removes",
                       {unlink_name("B/large"), write_at("A/small", 0, 4096, 'U'), remove_directory("A/empty")}),
    };
}

std::vector<Operation> second_thread_vocabulary() {
    return {
        create("t2/new"),
        make_directory("t2/directory"),
        unlink_name("t2/small"),
        rename_name("t2/inline", "t2/small"),
        write_at("t2/inline", 10, 40, 'A'),
        write_at("t2/small", 1000, 64, 'B'),
        write_at("t2/small", 0, 9000, 'C'),
        append("t2/small", 4096, 'D'),
        append("t2/inline", 200, 'E'),
        truncate_to("t2/small", 100),
        set_xattr("t2/small", "user.second", 2500, 'F'),
        change_mode("t2/inline", 0640),
        change_times("t2", 3000),
    };
}

} // namespace crash
