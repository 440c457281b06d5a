// planner: from the bytes of a system call to a window that may be overwritten.
//
//        w                 s          e
//   ... [mov $nr,%eax    ][syscall   ][cmp ...] ...
//       └ BEFORE: [w,s) ─┘
//       └ OVER: [w,e), s inside ──────┘
//
// A window needs room for a jump, instructions that can be moved, and no way in but at
// its first byte. BEFORE also asks that nobody jumps to s itself: such a call
// would slip past. When in doubt the site is left alone.
#include "intercept/plan/planner.h"

#include "intercept/objects/exported_functions.h"
#include "intercept/plan/branch_targets.h"
#include "intercept/plan/site_flags.h"

#include <cstring>
#include <sys/mman.h>

namespace intercept {
namespace {

const uint8_t *code_at(uint64_t address) {
    return reinterpret_cast<const uint8_t *>(address);
}

class ObjectPlanner {
public:
    ObjectPlanner(const Object &object, const Architecture &architecture)
        : object_(object), cpu_(architecture), targets_(object, architecture) {}

    bool run(Plan &out) {
        for (unsigned i = 0; i < object_.segment_count; i++) {
            constexpr uint32_t readable_text = PROT_READ | PROT_EXEC;
            const Segment &segment = object_.segments[i];
            if ((segment.protection & readable_text) == readable_text && !cpu_.find_sites(file_part(segment), sites_))
                return false;
        }
        if (sites_.size() == 0)
            return true;
        if (!out.reserve(sites_.size(), true) || !pages_.map(needed_bytes()) || !sweep_.prepare(pages_) ||
            !inner_targets_.reserve_in(pages_, usual_targets))
            return false;
        for (uint64_t site : sites_) {
            SitePlan plan{};
            plan.site_offset = site - object_.base;
            plan.number = -1;
            if (long index = find_call(site, plan); index >= 0) {
                // Many an object has the bytes by chance only, and needs no look at its branches.
                if (!collected_ && !collect())
                    return false;
                collected_ = true;
                plan_call(index, plan);
            }
            if (!out.push(plan))
                return false;
        }
        return true;
    }

private:
    static constexpr size_t usual_targets = 512; // inside a function

    size_t needed_bytes() const {
        return Sweep::needed_bytes() + base::SharedPages::round(usual_targets * sizeof(uint64_t));
    }

    // What is only looked at if there is a call.
    bool collect() {
        const size_t needed_bytes =
            ExportedFunctions::needed_bytes(symbol_table(object_).count) + targets_.needed_bytes(sites_.size());
        return more_pages_.map(needed_bytes) && exported_.collect(more_pages_, object_) &&
               targets_.collect(more_pages_, sites_);
    }

    // The index in sweep_ of the system call at `site`; -1: it is not certain that there is one.
    long find_call(uint64_t site, SitePlan &plan) {
        if (cpu_.is_signal_return(file_part(*object_.segment_of(site)), site)) {
            plan.state = INTERCEPT_SITE_EXCLUDED;
            plan.reason = SiteReason::signal_return;
            return -1;
        }
        plan.state = INTERCEPT_SITE_UNPROVEN;
        Function function;
        if (!sweep_.function.range.contains(site)) {
            plan.reason = SiteReason::no_function;
            if (!find_function(object_, site, function))
                return -1;
            sweep_.decode(cpu_, function);
            look_at_function();
        }
        plan.reason = SiteReason::not_decoded;
        if (!sweep_.consistent)
            return -1;
        plan.reason = SiteReason::no_boundary;
        long index = sweep_.starting_at(site);
        if (index < 0 || at(index).kind != InstructionKind::system_call)
            return -1;
        plan.reason = SiteReason::not_straight;
        return falls_through_to(index) ? index : -1;
    }

    void plan_call(long index, SitePlan &plan) {
        const uint64_t site = at(index).address;
        plan.reason = SiteReason::out_of_step;
        if (targets_.contradict(sweep_, site - cpu_.before_bytes_max, site + cpu_.behind_bytes_max))
            return;
        plan.state = INTERCEPT_SITE_WINDOW_UNSAFE;
        plan.reason = SiteReason::no_room;
        if (!choose_before(index, plan) && !choose_over(index, plan))
            return;
        plan.reason = SiteReason::none;
        last_window_end_ = site - plan.site_in_window + known_bytes(plan, cpu_.system_call_bytes);
        if (object_.is_loader)
            plan.flags |= SITE_LOADER;
        if (flags_dead(index))
            plan.flags |= SITE_FLAGS_DEAD;
        if (vectors_dead()) {
            plan.flags |= SITE_VECTOR_DEAD;
            unsigned steps = 0;
            if ((plan.flags & SITE_FLAGS_DEAD) != 0 && plan.state == INTERCEPT_SITE_BEFORE && plan.number >= 0 &&
                cpu_.keeps_off_arguments != nullptr && arguments_dead(index + 1, 0, steps))
                plan.flags |= SITE_ARGUMENTS_DEAD;
        }
    }

    const Instruction &at(long index) const {
        return sweep_.instructions[static_cast<size_t>(index)];
    }
    long count() const {
        return static_cast<long>(sweep_.instructions.size());
    }

    // Behind the described part of a function, the site must be reached straight.
    bool falls_through_to(long site) const {
        uint64_t end = sweep_.function.described_end;
        for (long i = site - 1; at(site).address >= end; i--) {
            if (i < 0 || (at(i).kind != InstructionKind::other && at(i).kind != InstructionKind::branch))
                return false;
            if (at(i).end() <= end)
                break;
        }
        return true;
    }

    // Facts about the whole function: where tables and landing pads lead.
    void look_at_function() {
        inner_targets_.resize_down(0);
        indirect_unknown_ = false;
        bool indirect = false;
        bool labels = false;
        bool sets_direction = false; // here, not in the object: the loop writes to memory as it goes
        bool general_only = true;
        for (const Instruction &instruction : sweep_.instructions) {
            indirect |= instruction.kind == InstructionKind::indirect_jump;
            sets_direction |= instruction.sets_direction;
            general_only &= instruction.general_registers_only;
            // An address inside that the code itself computes: a label, perhaps.
            if (sweep_.function.range.contains(instruction.data_address)) {
                labels = true;
                if (!inner_targets_.push(instruction.data_address))
                    indirect_unknown_ = true;
            }
        }
        sets_direction_ = sets_direction;
        general_only_ = general_only;
        if (!read_landing_pads(object_, sweep_.function, inner_targets_))
            indirect_unknown_ = true;
        // Whoever knows better where an instruction begins is right. (Not so the tables
        // below: nobody says where they end.)
        for (uint64_t target : inner_targets_)
            if (sweep_.function.range.contains(target) && sweep_.starting_at(target) < 0)
                sweep_.consistent = false;
        if (!indirect)
            return;
        size_t before = inner_targets_.size();
        for (const Instruction &instruction : sweep_.instructions)
            if (instruction.data_address != 0)
                read_jump_table(instruction.data_address);
        // Distances may also be kept from a label (&&a - &&b), in a table that nobody can tell from data.
        if (inner_targets_.size() == before || labels)
            indirect_unknown_ = true;
    }

    // A table of 32-bit distances from its own start, as gcc and clang write them
    // for position-independent code. Tables of addresses are found as pointers.
    void read_jump_table(uint64_t table) {
        constexpr unsigned entries_max = 4096;
        for (unsigned i = 0; i < entries_max; i++) {
            if (!object_.readable(table + i * 4ul, 4))
                return;
            int32_t distance;
            memcpy(&distance, code_at(table + i * 4ul), 4);
            uint64_t target = table + static_cast<uint64_t>(static_cast<int64_t>(distance));
            if (!object_.executable(target))
                return;
            if (sweep_.function.range.contains(target) && !inner_targets_.push(target))
                indirect_unknown_ = true;
        }
        indirect_unknown_ = true;
    }

    // Can control come to one of first..last other than by falling through?
    bool entered(uint64_t first, uint64_t last) {
        if (first > last)
            return false;
        for (uint64_t target : inner_targets_)
            if (target >= first && target <= last)
                return true;
        return targets_.reach(sweep_, first, last);
    }

    // Writes the window of instructions [from, to) into the plan.
    bool fill(long from, long to, long site, SitePlan &plan) const {
        uint64_t begin = at(from).address;
        uint64_t site_address = at(site).address;
        uint64_t end = at(to - 1).end();
        uint64_t kept_end = end > at(site).end() ? end : at(site).end();
        // Windows of neighbours must not overlap.
        plan.reason = SiteReason::no_room;
        if (begin < last_window_end_)
            return false;
        if (to - from > static_cast<long>(window_instructions_max) || kept_end - begin > window_bytes_max)
            return false;
        plan.reason = SiteReason::not_movable;
        long number = number_unknown;
        for (long i = from; i < to; i++) {
            MovedInstruction &moved = plan.instructions[i - from];
            if (!cpu_.plan_move(at(i), code_at(at(i).address), moved))
                return false;
            // Only the site of this plan may be executed by the stub.
            if (moved.move == Move::system_call && i != site)
                return false;
            moved.offset_bytes = static_cast<uint8_t>(at(i).address - begin);
            if (i < site) {
                long found = cpu_.number_from(at(i), code_at(at(i).address));
                number = found == number_kept ? number : found;
            }
        }
        plan.number = static_cast<int32_t>(number);
        plan.instruction_count = static_cast<uint8_t>(to - from);
        plan.site_in_window = static_cast<uint8_t>(site_address - begin);
        plan.window_bytes = static_cast<uint8_t>(end - begin);
        memcpy(plan.bytes, code_at(begin), kept_end - begin);
        return true;
    }

    bool choose_before(long site, SitePlan &plan) {
        uint64_t s = at(site).address;
        for (long from = site - 1; from >= 0 && s - at(from).address <= cpu_.before_bytes_max; from--) {
            if (s - at(from).address < cpu_.jump_bytes)
                continue;
            bool one = from == site - 1;
            plan.reason = SiteReason::unknown_jumps;
            if (indirect_unknown_ && !one)
                return false;
            plan.reason = SiteReason::entered;
            if (entered(at(from).address + 1, s) || !fill(from, site, site, plan))
                return false;
            plan.state = INTERCEPT_SITE_BEFORE;
            return true;
        }
        return false;
    }

    bool choose_over(long site, SitePlan &plan) {
        if (indirect_unknown_ || !cpu_.may_go_over)
            return false;
        uint64_t s = at(site).address;
        for (long from = site; from >= 0 && s - at(from).address <= 16; from--) {
            long to = site + 1;
            while (to < count() && at(to - 1).end() - at(from).address < cpu_.jump_bytes &&
                   at(to - 1).kind != InstructionKind::ret && at(to - 1).kind != InstructionKind::jump)
                to++;
            uint64_t begin = at(from).address;
            uint64_t end = at(to - 1).end();
            if (end - begin < cpu_.jump_bytes)
                continue;
            plan.reason = SiteReason::entered;
            if (!entered(begin + 1, end - 1) && fill(from, to, site, plan)) {
                plan.state = INTERCEPT_SITE_OVER;
                return true;
            }
        }
        return false;
    }

    // The flags as they were are not read any more: overwritten before any use on
    // the straight way, or dead by the ABI at a call or return.
    bool flags_dead(long site) const {
        if (sets_direction_)
            return false;
        for (long i = site + 1; i < count() && i < site + 24; i++) {
            const Instruction &next = at(i);
            if (next.kind == InstructionKind::ret || next.kind == InstructionKind::call ||
                (next.kind == InstructionKind::other && next.flags == FlagEffect::overwrites))
                return true;
            if (next.kind != InstructionKind::other || next.flags != FlagEffect::keeps)
                return false;
        }
        return false;
    }

    // From instruction `from` on, each way to a return reads no argument register. By the
    // ABI nobody expects them to be kept; see vectors_dead().
    bool arguments_dead(long from, unsigned written, unsigned &steps) const {
        constexpr unsigned steps_max = 64;
        for (long i = from; i < count() && steps++ < steps_max; i++) {
            const Instruction &next = at(i);
            switch (next.kind) {
            case InstructionKind::ret:
                return true;
            case InstructionKind::branch:
            case InstructionKind::jump: {
                long target = sweep_.starting_at(next.target);
                if (target < 0 || !arguments_dead(target, written, steps))
                    return false;
                if (next.kind == InstructionKind::jump)
                    return true;
                break;
            }
            case InstructionKind::other:
                if (!cpu_.keeps_off_arguments(next, code_at(next.address), written))
                    return false;
                break;
            default:
                return false;
            }
        }
        return false;
    }

    // An exported wrapper of libc that touches no vector register at all and never
    // leaves but through `ret`: its caller expects none to be kept. (Only libc: its
    // wrappers are compiled one to a file, so no caller can have been compiled
    // with knowledge of what they leave alone, as gcc's -fipa-ra would.)
    bool vectors_dead() const {
        if (!object_.is_libc || !general_only_ || !exported_.contains(sweep_.function.range.begin))
            return false;
        for (long i = 0; i < count(); i++) {
            const Instruction &next = at(i);
            bool leaves = (next.kind == InstructionKind::jump || next.kind == InstructionKind::branch) &&
                          !sweep_.function.range.contains(next.target);
            if (leaves || next.kind == InstructionKind::indirect_jump || next.kind == InstructionKind::got_jump)
                return false;
        }
        return true;
    }

    const Object &object_;
    const Architecture &cpu_;
    // Of the rows below, which must go first.
    base::SharedPages pages_;
    base::SharedPages more_pages_;
    ExportedFunctions exported_;
    base::PageArray<uint64_t> sites_;
    BranchTargets targets_;
    Sweep sweep_;
    base::PageArray<uint64_t> inner_targets_;
    uint64_t last_window_end_ = 0;
    bool collected_ = false; // targets_ and exported_
    bool indirect_unknown_ = false;
    bool sets_direction_ = false;
    bool general_only_ = false;
};

} // namespace

bool plan_object(const Object &object, const Architecture &architecture, Plan &out) {
    ObjectPlanner planner(object, architecture);
    return planner.run(out);
}

} // namespace intercept
