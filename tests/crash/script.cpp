// Where only the end of a long way is of interest (a ring that is nearly full), most calls are
// made without images.
#include "tests/crash/script.h"

#include "libpmemfile/file/data_gather.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/walk.h"
#include "libpmemfile/journal/watermark.h"
#include "libpmemfile/runtime/space_map.h"

#include <iterator>
#include <linux/falloc.h>
#include <utility>

namespace crash {
namespace {

// Contents differ by round, so that an older one is noticed.
char letter(unsigned round) {
    return static_cast<char>('a' + round % 26);
}

// Writes to t2/small, so that the ring of whoever makes them goes round.
std::vector<Work> many_writes(unsigned count, unsigned round) {
    std::vector<Work> writes;
    for (unsigned i = 0; i < count; ++i)
        writes.push_back(write_at("t2/small", i % 4 * 2000, 1900, letter(i + round)).work);
    return writes;
}

// The same call by a certain ring, as after a meeting with others on one's own.
Work by_ring(uint32_t ring, const Operation &operation) {
    return [ring, work = operation.work](pmemfile::Thread &thread) {
        const uint32_t own = std::exchange(thread.preferred_ring, ring);
        const base::Status done = work(thread);
        thread.preferred_ring = own;
        return done;
    };
}

// By its name, which nobody has open.
Operation truncate_name(const std::string &path, int64_t size, bool in_steps = false) {
    const auto work = [=](pmemfile::Thread &thread) -> base::Status {
        const pmemfile::InodeNumber root = thread.pool->superblock().root_inode;
        BASE_TRY_ASSIGN(const pmemfile::WalkResult found, pmemfile::walk(thread, root, path, 0));
        return pmemfile::fs_truncate(thread, found.handle(), size, true);
    };
    return {"truncate by name " + path + " " + std::to_string(size), {path}, work, in_steps};
}

} // namespace

void explore_all(Explorer &explorer, const std::vector<Operation> &operations) {
    for (const Operation &operation : operations)
        explorer.call(operation.name, operation.in_steps, operation.work, operation.changes, operation.torn);
}

void names(Explorer &explorer) {
    constexpr unsigned exchange = 2; // RENAME_EXCHANGE
    explore_all(explorer, {make_directory("d"),
                           make_directory("e"),
                           create("d/a"),
                           create("d/b"),
                           make_link("d/a", "e/l"),
                           make_symlink("short", "d/s"),
                           make_symlink(std::string(300, 't'), "d/t"),
                           rename_name("d/a", "d/c"),
                           rename_name("d/c", "e/c"),
                           rename_name("d/b", "e/c"),
                           make_directory("d/sub"),
                           make_directory("e/sub"),
                           rename_name("d/sub", "e/sub"),
                           rename_name("e/sub", "d/moved"),
                           rename_name("e/c", "d/moved", exchange),
                           unlink_name("e/l"),
                           unlink_name("d/s"),
                           unlink_name("d/t"),
                           remove_directory("e/c"),
                           create_unnamed("d", 5000, 'u', "d/unnamed"),
                           create_unnamed("e", 50, 'v', ""),
                           rename_name("d/unnamed", "e/unnamed", 4), // RENAME_WHITEOUT
                           create("e/open"),
                           write_at("e/open", 0, 20000, 'o'),
                           while_open("e/open", {unlink_name("e/open")}),
                           create("e/first"),
                           make_link("e/first", "e/second"),
                           while_open("e/first", {unlink_name("e/first"), append("e/second", 5000, 'p'),
                                                  make_link("e/second", "e/third"), unlink_name("e/second")})});
}

void data(Explorer &explorer) {
    explore_all(explorer, {create("f"), write_at("f", 0, 60, 'a'),                          // inline
                           write_at("f", 30, 60, 'b'),                                      // inline, over it
                           write_at("f", 50, 1000, 'c'),                                    // moves out
                           write_at("f", 500, 64, 'd'),                                     // in place, by a record
                           write_at("f", 4000, 200, 'e'),                                   // into the next block
                           write_at("f", 0, 4096, 'f'),                                     // a fresh block
                           write_at("f", 1000, 9000, 'g'), write_at("f", 100000, 64, 'h'),  // a hole before it
                           write_at("f", 0, 65536, 'i'), write_at("f", 5000000, 4096, 'j'), // a taller tree
                           truncate_to("f", 66000), truncate_to("f", 5000), truncate_to("f", 4097),
                           truncate_to("f", 90000), truncate_name("f", 50000), truncate_name("f", 90000),
                           write_at("f", 4096, 3000, 'k'), append("f", 3000, 'l'), open_truncating("f"),
                           append("f", 100, 'm'), append("f", 100, 'n'), write_at("f", 0, 300000, 'o', true),
                           allocate("f", 0, 100000, 400000), truncate_to("f", 10), unlink_name("f"),
                           // What was a block of one file becomes another's, by a record and past it.
                           create("g"), write_at("g", 0, 1000, 'p'), unlink_name("g"), create("h"),
                           write_at("h", 0, 4096, 'q'), write_at("h", 100, 50, 'r'), write_at("h", 0, 4096, 's'),
                           make_directory("d"), create("d/x"), write_at("h", 0, 4096, 't'), unlink_name("d/x"),
                           remove_directory("d"), write_at("h", 0, 8192, 'u'), write_at("h", 0, 8192, 'v'),
                           // Ranges put in and taken out, with and without nodes.
                           shift_range("h", FALLOC_FL_INSERT_RANGE, 4096, 8192), write_at("h", 5000, 64, 'w'),
                           shift_range("h", FALLOC_FL_COLLAPSE_RANGE, 0, 8192), write_at("h", 0, 100'000, 'x', true),
                           shift_range("h", FALLOC_FL_COLLAPSE_RANGE, 40960, 8192), write_at("h", 50000, 100, 'y'),
                           shift_range("h", FALLOC_FL_INSERT_RANGE, 8192, 10 << 20), write_at("h", 8192, 4096, 'z'),
                           shift_range("h", FALLOC_FL_COLLAPSE_RANGE, 4096, 10 << 20), append("h", 100, 'A'),
                           // Zeros in two blocks, of which one goes.
                           create("z"), write_at("z", 0, 12000, 'B'), allocate("z", FALLOC_FL_ZERO_RANGE, 3000, 3000),
                           shift_range("z", FALLOC_FL_COLLAPSE_RANGE, 0, 4096), unlink_name("z"),
                           copy_range("h", 100, "h", 20000, 9000), copy_range("h", 0, "h", 5000, 300),
                           // Zeros where something was.
                           unlink_name("h"), create("i"), truncate_to("i", 100000), allocate("i", 0, 0, 100000),
                           write_at("i", 90000, 100, 'w')});
}

void attributes(Explorer &explorer) {
    explore_all(explorer, {create("x"), change_mode("x", 0600), change_owner("x", 7, 8), change_times("x", 1),
                           change_mode("/", 0700), change_owner("/", 9, 10), change_times("/", 5),
                           change_mode("x", 04755), append("x", 10, 'a')});
}

void no_room(Explorer &explorer) {
    constexpr uint64_t left_blocks = 45; // nodes of the map of what fills the pool not counted
    for (const Operation &operation :
         {create("full"), create("tiny"), write_at("tiny", 0, 50, 't'), create("sparse"),
          write_at("sparse", 5 << 20, 100, 's'), create("data"), write_at("data", 0, 40960, 'd')})
        explorer.prepare(operation.work);
    explorer.prepare([](pmemfile::Thread &thread) -> base::Status {
        const uint64_t blocks = pmemfile::space_map_free_blocks(thread) - left_blocks;
        return allocate("full", 0, 0, static_cast<int64_t>(blocks * pmemfile::block_size_bytes)).work(thread);
    });
    // Inline content comes out and goes back, levels of the map are put on and taken off, nodes come and go.
    explore_all(explorer, {allocate("tiny", FALLOC_FL_KEEP_SIZE, 40 << 20, 200 << 10),
                           allocate("sparse", 0, 1 << 20, 200 << 10), write_at("sparse", 5 << 20, 100, 'u'),
                           allocate("data", FALLOC_FL_ZERO_RANGE, 4096, 200 << 10), write_at("tiny", 10, 50, 'v'),
                           allocate("data", FALLOC_FL_ZERO_RANGE, 3000, 50000), truncate_to("full", 0, true)});
}

void growth(Explorer &explorer) {
    explore_all(explorer, {create("x"), write_at("x", 0, 60000, 'a'), grow(20 << 20), write_at("x", 60000, 60000, 'b'),
                           make_directory("d"), grow(24 << 20), create("d/y"), write_at("d/y", 0, 60000, 'c'),
                           unlink_name("x"), unlink_name("d/y")});
}

void extended_attributes(Explorer &explorer) {
    explore_all(explorer, {create("x"),
                           set_xattr("x", "user.a", 10, 'a'),
                           set_xattr("x", "user.b", 0, 'b'),
                           set_xattr("x", "user.a", 1500, 'c'),    // still in the record
                           set_xattr("x", "user.b", 1500, 'd'),    // past it
                           set_xattr("x", "trusted.c", 5000, 'e'), // blocks of its own
                           set_xattr("x", "security.d", 65536, 'f'),
                           set_xattr("x", "user.a", 20, 'g'),
                           append("x", 300, 'h'),
                           remove_xattr("x", "security.d"),
                           remove_xattr("x", "trusted.c"),
                           set_xattr("x", "security.capability", 20, 'C'), // goes before the content changes
                           write_at("x", 0, 64, 'D', true),
                           set_xattr("x", "security.capability", 20, 'E'),
                           truncate_name("x", 100, true),
                           set_xattr("x", "security.capability", 20, 'F'), // and with the owner
                           change_owner("x", 7, 8),
                           set_acl("x", false, 2),
                           change_mode("x", 0640),
                           set_xattr("x", "user.e", 9000, 'i'),
                           while_open("x", {unlink_name("x")}),
                           make_directory("d"),
                           set_acl("d", true, 3),
                           create("d/f"),
                           make_directory("d/e"),
                           set_acl("d/e", true, 400),
                           make_directory("d/e/long"),
                           create("d/e/file"),
                           rename_name("d/f", "d/e/file"),
                           remove_xattr("d/e", "system.posix_acl_default"),
                           remove_directory("d/e/long"),
                           make_symlink("d", "l"),
                           unlink_name("d/e/file")});
}

void steps(Explorer &explorer) {
    // The blocks of two files in turn: no runs, so that freeing them takes several records.
    explorer.prepare(create("g").work);
    explorer.prepare(create("h").work);
    for (unsigned block = 0; block < 1050; ++block) {
        explorer.prepare(append("g", 4096, letter(block)).work);
        explorer.prepare(append("h", 4096, letter(block)).work);
    }
    explorer.crash_and_go_on();
    explore_all(explorer,
                {shift_range("g", FALLOC_FL_COLLAPSE_RANGE, 4096, 600 * 4096), write_at("g", 0, 64, 'g'),
                 shift_range("g", FALLOC_FL_INSERT_RANGE, 8192, 4096), truncate_to("g", 5000, true),
                 unlink_name("h", true), create("f"), write_at("f", 0, 2'500'000, 'a', true),
                 write_at("f", 4096, 2'000'000, 'b', true), truncate_to("f", 5000, true), unlink_name("f", true)});
}

void clones(Explorer &explorer) {
    explore_all(explorer,
                {create("a"), write_at("a", 0, 30000, 'a'), create("b"), clone_range("a", 0, "b", 0, 0),
                 write_at("b", 5000, 64, 'b'), write_at("a", 8192, 8192, 'c'), write_at("a", 100, 50, 'd'), create("c"),
                 clone_range("b", 0, "c", 0, 0), truncate_to("c", 6000), write_at("b", 5000, 64, 'e'),
                 clone_range("a", 0, "c", 8192, 16384), clone_range("a", 0, "a", 40960, 8192),
                 allocate("a", FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 5000, 9000), write_at("c", 9000, 3000, 'f'),
                 shift_range("c", FALLOC_FL_COLLAPSE_RANGE, 4096, 4096), clone_range("b", 0, "a", 0, 8192),
                 truncate_to("a", 41000), unlink_name("b"), write_at("a", 0, 64, 'g'), append("c", 100, 'h'),
                 // What was freed becomes somebody else's.
                 create("h"), write_at("h", 0, 9000, 'q'), write_at("h", 100'000, 9000, 'r'), create("i"),
                 clone_range("h", 0, "i", 0, 0), unlink_name("h"), unlink_name("i"), // in three steps, seen as one
                 create("d"), write_at("d", 0, 40000, 'i'), clone_range("d", 0, "a", 0, 0, true), unlink_name("d"),
                 write_at("a", 10, 20, 'j'), create("e"), write_at("e", 0, 20000, 'k'),
                 in_transaction("that clones", {clone_range("e", 0, "c", 4096, 8192), write_at("e", 10, 20, 'l')}),
                 truncate_to("c", 0), unlink_name("a"), create("f"), write_at("f", 0, 50000, 'm'), unlink_name("c"),
                 // In steps, of which nothing is seen before the last.
                 write_at("f", 0, 200, 'n'), write_at("e", 0, 2'600'000, 'o', true), create("g"),
                 clone_range("e", 0, "g", 0, 0), write_at("g", 1'000'000, 64, 'p'), unlink_name("g"), unlink_name("e"),
                 // Parted by name, and grown.
                 create("u"), clone_range("f", 0, "u", 0, 0), allocate("u", FALLOC_FL_UNSHARE_RANGE, 5000, 60000),
                 write_at("f", 8192, 64, 's'), unlink_name("f"), write_at("u", 8192, 64, 't')});
}

void transactions(Explorer &explorer) {
    std::vector<Operation> many;
    for (unsigned i = 0; i < 12; ++i) {
        many.push_back(create("d/" + std::to_string(i)));
        many.push_back(write_at("d/" + std::to_string(i), 0, 100 + i * 900, letter(i)));
    }
    explore_all(
        explorer,
        {make_directory("d"), create("f"), write_at("f", 0, 20000, 'a'), create("g"), write_at("g", 0, 5000, 'b'),
         in_transaction("on two files", {write_at("f", 0, 4096, 'c'), write_at("g", 0, 4096, 'c')}),
         in_transaction("of many files", many),
         in_transaction("that moves", {create("d/new"), rename_name("d/new", "moved"), rename_name("f", "d/f"),
                                       make_link("g", "d/g"), unlink_name("g"), change_mode("moved", 0600)}),
         in_transaction("that removes", {unlink_name("d/0"), unlink_name("d/11"), unlink_name("d/g")}),
         // A block that is changed and then freed by the same record is somebody else's afterwards.
         create("h"),
         in_transaction("that frees what it stored",
                        {write_at("d/f", 4100, 50, 'd'), write_at("d/f", 4096, 4096, 'e')}),
         write_at("h", 0, 4096, 'f'), write_at("h", 0, 16384, 'g'),
         in_transaction("that cuts", {truncate_to("d/f", 100)}),
         in_transaction("that makes and removes",
                        {create("i"), write_at("i", 0, 6000, 'i'), unlink_name("i"), write_at("h", 0, 12000, 'j')}),
         write_at("h", 100, 50, 'k'), append("d/f", 9000, 'l'),
         in_transaction(
             "with a file that gets its name late",
             {create_unnamed("d", 5000, 'u', "d/unnamed"), create_unnamed("d", 5000, 'v', ""),
              shift_range("h", FALLOC_FL_COLLAPSE_RANGE, 4096, 4096), copy_range("h", 0, "d/unnamed", 100, 6000),
              shift_range("d/unnamed", FALLOC_FL_INSERT_RANGE, 4096, 8192), rename_name("d/unnamed", "named", 4)}),
         write_at("h", 0, 8192, 'm'), write_at("named", 0, 8192, 'n')});
}

void mapped(Explorer &explorer) {
    explore_all(explorer,
                {create("m"), write_at("m", 0, 20000, 'a'), create("n"), write_at("n", 0, 9000, 'n'), create("s"),
                 while_mapped("m", write_at("m", 100, 64, 'b')), while_mapped("m", write_at("m", 4000, 200, 'c')),
                 while_mapped("m", write_at("m", 4096, 8192, 'd')), while_mapped("m", append("m", 300, 'e')),
                 while_mapped("m", append("m", 9000, 'f')), while_mapped("m", write_at("n", 50, 64, 'o')),
                 // Holes are filled, tails zeroed in place.
                 truncate_to("m", 60'000), while_mapped("m", write_at("m", 50'000, 64, 'g')),
                 while_mapped("m", truncate_to("m", 5'000)), while_mapped("m", truncate_to("m", 30'000)),
                 while_mapped("m", allocate("m", FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 3'000, 9'000)),
                 while_mapped("m", allocate("m", FALLOC_FL_ZERO_RANGE, 14'000, 6'000)),
                 while_mapped("m", write_at("m", 35'000, 100, 'h')), write_at("m", 100, 64, 'i'),
                 while_mapped("m", allocate("m", FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 50, 5'000), false),
                 unlink_name("m"), write_at("s", 0, 100, 's'), while_mapped("s", write_at("s", 50, 20, 't')),
                 // Blocks of a clone part before they are mapped.
                 clone_range("n", 0, "n", 12288, 8192), while_mapped("n", write_at("n", 100, 64, 'p')),
                 write_at("n", 12'400, 64, 'q')});
}

void gathered(Explorer &explorer) {
    const unsigned former = pmemfile::map_pieces_max;
    pmemfile::map_pieces_max = 2;
    // Blocks of the two files lie by turns, holes between them; then f's come together before it is mapped.
    std::vector<Operation> operations = {create("f"), create("g")};
    for (unsigned i = 0; i < 6; ++i) {
        operations.push_back(write_at("f", (i + i / 3) * 4096, 4096, static_cast<char>('a' + i)));
        operations.push_back(write_at("g", i * 4096, 4096, static_cast<char>('A' + i)));
    }
    operations.insert(operations.end(),
                      {while_mapped("f", write_at("f", 5000, 64, 'x')), write_at("f", 0, 4096, 'y'), create("h"),
                       write_at("h", 0, 4096, 'i'), write_at("f", 9000, 6000, 'z'),
                       while_mapped("f", append("f", 300, 'w')), clone_range("g", 0, "h", 4096, 0),
                       while_mapped("h", write_at("h", 5000, 64, 'v')), unlink_name("g"), truncate_to("h", 3 * 4096),
                       while_mapped("h", write_at("h", 0, 64, 'u')), unlink_name("f")});
    explore_all(explorer, operations);
    pmemfile::map_pieces_max = former;
}

void flipping(Explorer &explorer) {
    explorer.prepare(create("f").work);
    for (unsigned round = 0; round < 12; ++round)
        explore_all(explorer,
                    {write_flipping("f", 0, 100), write_flipping("f", 100, 1500), write_flipping("f", 3000, 2000),
                     write_flipping("f", 0, 8192), write_flipping("f", 100, 5000), truncate_to("f", 0)});
}

void many_names(Explorer &explorer, unsigned count) {
    auto name = [](unsigned i) { return "m/" + std::to_string(i) + std::string(40 + i % 100, 'n'); };
    explorer.prepare(make_directory("m").work);
    for (unsigned i = 0; i < count; ++i)
        explore_all(explorer, {create(name(i))});
    for (unsigned i = 0; i < count; i += 2)
        explore_all(explorer, {unlink_name(name(i))});
}

void turns(Explorer &explorer, unsigned rounds) {
    explorer.prepare(create("both").work);
    explorer.prepare(create("first").work);
    explorer.prepare(create("second").work);
    explorer.prepare(write_at("both", 0, 9000, '0').work);
    for (unsigned round = 0; round < rounds; ++round) {
        const char fill = letter(round);
        explorer.use_thread(0);
        explore_all(explorer, {write_at("both", 1000, 64, fill), change_mode("first", 0600 + round % 8)});
        explorer.use_thread(1);
        if (round % 2 == 1)
            explorer.thread().preferred_ring = 0; // as after a meeting with the first thread on its own ring
        explore_all(explorer, {write_at("both", 1000, 64, static_cast<char>(fill - 32)),
                               change_mode("second", 0600 + round % 8)});
        // The second thread's ring goes round while the first one's last record lies there.
        for (unsigned i = 0; i < 45; ++i) {
            const Operation quiet = write_at("second", i % 3 * 2000, 1500, letter(round + i));
            if (i % 15 == 14)
                explore_all(explorer, {quiet});
            else
                explorer.prepare(quiet.work);
        }
        if (round % 3 == 1)
            explorer.replace_thread(1);
        if (round % 3 == 2)
            explorer.replace_thread(0);
    }
}

void interleaved(Explorer &explorer, std::mt19937 &random, unsigned count) {
    std::vector<Operation> first = sequence_vocabulary();
    std::erase_if(first, [](const Operation &operation) { return operation.in_steps || operation.keeps_others; });
    const std::vector<Operation> second = second_thread_vocabulary();
    for (const Operation &operation : initial_tree())
        explorer.prepare(operation.work);
    explorer.mark();
    for (unsigned i = 0; i < count && explorer.findings().empty(); ++i) {
        const Operation &before = first[random() % first.size()];
        const Operation &one = first[(i * 7) % first.size()];
        const Operation &other = second[random() % second.size()];
        explorer.rewind();
        (void)before.work(explorer.thread());
        // One fence after the other: both threads' states are those of the calls before, then.
        explorer.call_both(before.name + "; " + one.name + " with " + other.name, {{one.work}}, "/t2", {{other.work}},
                           1 + random() % 2);
    }
}

void overtaking(Explorer &explorer) {
    for (const Operation &operation : initial_tree())
        explorer.prepare(operation.work);
    for (unsigned round = 0; round < 2; ++round) {
        const Operation one = write_at("A/small", 1000, 64, letter(round));
        explorer.call_both(one.name + " overtaken", {{one.work}}, "/t2", {many_writes(30, round)}, 1);
    }
}

void held_up(Explorer &explorer, unsigned rounds) {
    for (const Operation &operation : initial_tree())
        explorer.prepare(operation.work);
    explorer.prepare(create("third").work);
    // Before its record is durable, or in the middle of what it stores home.
    const struct {
        Operation operation;
        unsigned stores_behind;
    } first[] = {{write_at("A/small", 1000, 64, 'h'), 0},
                 {create("A/held"), 2},
                 {rename_name("A/inline", "A/other"), 3},
                 {truncate_to("B/large", 3000), 2},
                 {make_directory("A/directory/held"), 4}};
    for (unsigned round = 0; round < rounds; ++round) {
        // More than the second thread's ring holds twice: the watermark must pass the call that stands still, and again.
        // What the first two write is in two rings, and the third thread's calls go to the one with the older record,
        // also while a raise goes on: that ring begins before it then, and the other one behind what is newer.
        constexpr uint32_t third_ring = 2;
        std::vector<Work> many = many_writes(75, round);
        many.insert(many.begin(), {by_ring(third_ring, write_at("t2/inline", 8, 16, 'o')),
                                   write_at("t2/inline", 8, 16, 'n').work});
        const Part second = {many, Between::nothing, by_ring(third_ring, write_at("third", 0, 64, 't')), "/third"};
        const auto &[one, stores_behind] = first[round % std::size(first)];
        explorer.call_both(one.name + " held up", {{one.work}}, "/t2", second, 1, stores_behind);
        // What it changed is changed again, by both: its record must not come back.
        explore_all(explorer, {write_at("A/small", 1000, 64, letter(round))});
        explorer.use_thread(1);
        explorer.prepare(pmemfile::watermark_raise_all);
        explore_all(explorer, {write_at("A/small", 1030, 64, letter(round + 1)), append("A/small", 10, 'o')});
        explorer.use_thread(0);
    }
}

void reuse(Explorer &explorer) {
    for (const Operation &operation : initial_tree())
        explorer.prepare(operation.work);
    explorer.mark();
    const Operation frees[] = {truncate_to("B/large", 30000), unlink_name("B/large"), write_at("A/small", 0, 8192, 'a'),
                               rename_name("A/inline", "A/small")};
    for (const Operation &one : frees) {
        explorer.rewind();
        const Operation other = write_at("t2/small", 0, 9000, 'C');
        for (unsigned fence = 1; fence <= 2; ++fence)
            explorer.call_both(one.name + " with " + other.name, {{one.work}}, "/t2", {{other.work}}, fence);
    }
}

void alternate(Explorer &explorer, unsigned rounds) {
    explorer.prepare(create("both").work);
    explorer.prepare(create("second").work);
    explorer.prepare(write_at("both", 0, 9000, '0').work);
    for (unsigned round = 0; round < rounds; ++round) {
        explorer.use_thread(1);
        explore_all(explorer, {write_at("both", round % 128 * 64, 64, letter(round))});
        explorer.use_thread(0);
        explore_all(explorer, {write_at("both", round % 128 * 64, 64, static_cast<char>(letter(round) - 32))});
        explorer.use_thread(1);
        explore_all(explorer, {write_at("second", round % 3 * 2000, 1500, letter(round))});
    }
}

void laps(Explorer &explorer, unsigned rounds) {
    explorer.prepare(create("second").work);
    unsigned count = 0;
    auto filler = [&] {
        ++count;
        return write_at("second", count % 4 * 2000, 1900, letter(count));
    };
    // A little over half a ring; 30 of them fill it.
    for (unsigned length = 17; length < 17 + rounds; ++length) {
        for (const bool is_crash : {true, false}) {
            explorer.use_thread(1);
            explorer.prepare(pmemfile::watermark_raise_all); // the ring's start is here
            for (unsigned i = 0; i < length; ++i)
                explorer.prepare(filler().work);
            if (is_crash) {
                explorer.crash_and_go_on();
            } else {
                // As a mapping does; the first thread fences nothing after it.
                explorer.use_thread(0);
                explorer.prepare(pmemfile::watermark_raise_all);
            }
            explorer.use_thread(1);
            for (unsigned i = 0; i < 9; ++i)
                explorer.prepare(filler().work);
            for (unsigned i = 0; i < 9; ++i)
                explore_all(explorer, {filler()});
        }
    }
}

void succession(Explorer &explorer) {
    explorer.prepare(create("first").work);
    explorer.prepare(create("next").work);
    explorer.prepare(create("second").work);
    for (unsigned round = 0; round < 3; ++round) {
        explorer.use_thread(0);
        explore_all(explorer, {change_mode("first", 0600 + round)});
        explorer.replace_thread(0);
        explore_all(explorer, {change_mode("next", 0600 + round)});
        explorer.use_thread(1);
        for (unsigned i = 0; i < 22; ++i) {
            const Operation quiet = write_at("second", i % 4 * 2000, 1900, letter(i + round));
            if (i < 16)
                explorer.prepare(quiet.work);
            else
                explore_all(explorer, {quiet});
        }
    }
}

void crashes(Explorer &explorer, std::mt19937 &random, unsigned count) {
    const std::vector<Operation> vocabulary = sequence_vocabulary();
    for (const Operation &operation : initial_tree())
        explorer.prepare(operation.work);
    for (unsigned i = 0; i < count; ++i) {
        for (unsigned call = random() % 4; call > 0; --call)
            (void)vocabulary[random() % vocabulary.size()].work(explorer.thread());
        explorer.crash_and_go_on();
        // Far enough for the ring to come round to where the recovery began.
        for (unsigned call = 0; call < 60; ++call)
            explorer.prepare(write_at("t2/small", call % 4 * 2000, 1800, letter(call)).work);
        const Operation &last = vocabulary[random() % vocabulary.size()];
        explorer.call(last.name, last.in_steps, last.work, last.changes, last.torn);
    }
}

} // namespace crash
