// trap_stub: copies a template, and fills the record of a copy.
#include "intercept/arch/x86_64/trap_stub.h"

#include "intercept/hooks/registry.h"

#include <cstring>

extern "C" {
#define INTERCEPT_HIDDEN __attribute__((visibility("hidden")))
INTERCEPT_HIDDEN void intercept_entry();
INTERCEPT_HIDDEN void intercept_process_post_entry();
INTERCEPT_HIDDEN void intercept_guest_entry();
// guest_entry.S: where the entry "returns" to for each kind of process call, and where the stub goes behind it.
INTERCEPT_HIDDEN void intercept_guest_landing0();
INTERCEPT_HIDDEN void intercept_guest_landing1();
INTERCEPT_HIDDEN void intercept_guest_landing2();
INTERCEPT_HIDDEN void intercept_guest_landing3();
INTERCEPT_HIDDEN void intercept_guest_post0();
INTERCEPT_HIDDEN void intercept_guest_post1();
INTERCEPT_HIDDEN void intercept_guest_post2();
INTERCEPT_HIDDEN void intercept_guest_post3();

INTERCEPT_HIDDEN extern const uint8_t intercept_trap_stub_hooked[], intercept_trap_stub_hooked_pass[],
    intercept_trap_stub_hooked_kind0[], intercept_trap_stub_hooked_kind1[], intercept_trap_stub_hooked_kind2[],
    intercept_trap_stub_hooked_kind3[];
INTERCEPT_HIDDEN extern const uint8_t intercept_trap_stub_pass[];
INTERCEPT_HIDDEN extern const uint8_t intercept_trap_stub_guest[], intercept_trap_stub_guest_pass[],
    intercept_trap_stub_guest_kind0[], intercept_trap_stub_guest_kind1[], intercept_trap_stub_guest_kind2[],
    intercept_trap_stub_guest_kind3[];
}

namespace intercept {
namespace {

uint64_t address_of(const void *pointer) {
    return reinterpret_cast<uint64_t>(pointer);
}

void (*const guest_landings[])() = {intercept_guest_landing0, intercept_guest_landing1, intercept_guest_landing2,
                                    intercept_guest_landing3};
void (*const guest_posts[])() = {intercept_guest_post0, intercept_guest_post1, intercept_guest_post2,
                                 intercept_guest_post3};

struct Template {
    const uint8_t *begin;
    const uint8_t *pass;
    const uint8_t *kinds[process_kind_count];
};

Template template_of(TrapKind kind) {
    if (kind == TrapKind::guest)
        return {intercept_trap_stub_guest,
                intercept_trap_stub_guest_pass,
                {intercept_trap_stub_guest_kind0, intercept_trap_stub_guest_kind1, intercept_trap_stub_guest_kind2,
                 intercept_trap_stub_guest_kind3}};
    return {intercept_trap_stub_hooked,
            intercept_trap_stub_hooked_pass,
            {intercept_trap_stub_hooked_kind0, intercept_trap_stub_hooked_kind1, intercept_trap_stub_hooked_kind2,
             intercept_trap_stub_hooked_kind3}};
}

} // namespace

void write_trap_code(TrapKind kind, uint8_t *code) {
    memcpy(code, template_of(kind).begin, TRAP_SLOT_BYTES);
}

uint64_t fill_trap_record(TrapKind kind, uint64_t return_address, uint64_t back, uint64_t code) {
    const Template from = template_of(kind);
    auto moved = [&](const uint8_t *place) { return code + static_cast<uint64_t>(place - from.begin); };
    auto &record = *reinterpret_cast<TrapRecord *>(code + TRAP_RECORD_DISTANCE);
    record.site.return_address = return_address;
    record.table = address_of(intercept_table);
    record.back = back;
    record.pass = moved(from.pass);
    bool guest = kind == TrapKind::guest;
    record.site.entry =
        guest ? reinterpret_cast<uint64_t>(intercept_guest_entry) : reinterpret_cast<uint64_t>(intercept_entry);
    record.site.post_entry = reinterpret_cast<uint64_t>(intercept_process_post_entry);
    for (unsigned i = 0; i < process_kind_count; i++) {
        record.kind_stub[i] = moved(from.kinds[i]);
        record.kind_post[i] = reinterpret_cast<uint64_t>(guest_posts[i]);
        record.site.kind_target[i] = guest ? reinterpret_cast<uint64_t>(guest_landings[i]) : record.kind_stub[i];
    }
    return kind == TrapKind::pass ? record.pass : code;
}

void write_pass_stub(uint64_t back, uint8_t *out) {
    constexpr size_t code_bytes = exempt_gadget_bytes - sizeof back;
    memcpy(out, intercept_trap_stub_pass, code_bytes);
    memcpy(out + code_bytes, &back, sizeof back);
}

} // namespace intercept
