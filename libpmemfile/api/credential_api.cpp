// Whom the pool's calls act for. Credentials belong to the pool; they are set before calls that go by
// them, not while such calls run.
#include "libpmemfile/api/pool_object.h"

#include <cstring>

using namespace pmemfile;

namespace {

constexpr unsigned unchanged = ~0u; // uid or gid -1 of setreuid(2)

void set_euid(Credentials &who, uid_t euid) {
    who.euid = who.suid = who.fsuid = euid;
    who.capabilities = euid == 0 ? ~0u : 0;
}

// The bit of a capability that can be given by number; 0: there is none.
uint32_t capability_bit(int capability) {
    switch (capability) {
    case PMEMFILE_CAP_CHOWN:
        return capability_chown;
    case PMEMFILE_CAP_FOWNER:
        return capability_fowner;
    case PMEMFILE_CAP_FSETID:
        return capability_fsetid;
    default:
        return 0;
    }
}

} // namespace

pmemfile_mode_t pmemfile_umask(PMEMfilepool *pool, pmemfile_mode_t mask) {
    const mode_t former = pool->credentials.umask;
    pool->credentials.umask = mask & 0777;
    return former;
}

int pmemfile_setcap(PMEMfilepool *pool, int capability) {
    const uint32_t bit = capability_bit(capability);
    if (bit == 0)
        return api::fail(EINVAL);
    pool->credentials.capabilities |= bit;
    return 0;
}

int pmemfile_clrcap(PMEMfilepool *pool, int capability) {
    const uint32_t bit = capability_bit(capability);
    if (bit == 0)
        return api::fail(EINVAL);
    pool->credentials.capabilities &= ~bit;
    return 0;
}

int pmemfile_setreuid(PMEMfilepool *pool, pmemfile_uid_t ruid, pmemfile_uid_t euid) {
    if (ruid != unchanged)
        pool->credentials.uid = ruid;
    if (euid != unchanged)
        set_euid(pool->credentials, euid);
    return 0;
}

int pmemfile_setregid(PMEMfilepool *pool, pmemfile_gid_t rgid, pmemfile_gid_t egid) {
    Credentials &who = pool->credentials;
    if (rgid != unchanged)
        who.gid = rgid;
    if (egid != unchanged)
        who.egid = who.sgid = who.fsgid = egid;
    return 0;
}

int pmemfile_setuid(PMEMfilepool *pool, pmemfile_uid_t uid) {
    return uid == unchanged ? api::fail(EINVAL) : pmemfile_setreuid(pool, uid, uid);
}

int pmemfile_setgid(PMEMfilepool *pool, pmemfile_gid_t gid) {
    return gid == unchanged ? api::fail(EINVAL) : pmemfile_setregid(pool, gid, gid);
}

int pmemfile_seteuid(PMEMfilepool *pool, pmemfile_uid_t uid) {
    return uid == unchanged ? api::fail(EINVAL) : pmemfile_setreuid(pool, unchanged, uid);
}

int pmemfile_setegid(PMEMfilepool *pool, pmemfile_gid_t gid) {
    return gid == unchanged ? api::fail(EINVAL) : pmemfile_setregid(pool, unchanged, gid);
}

int pmemfile_setfsuid(PMEMfilepool *pool, pmemfile_uid_t uid) {
    const uid_t former = pool->credentials.fsuid;
    if (uid != unchanged) {
        pool->credentials.fsuid = uid;
        pool->credentials.capabilities = uid == 0 ? ~0u : 0;
    }
    return static_cast<int>(former);
}

int pmemfile_setfsgid(PMEMfilepool *pool, pmemfile_gid_t gid) {
    const gid_t former = pool->credentials.fsgid;
    if (gid != unchanged)
        pool->credentials.fsgid = gid;
    return static_cast<int>(former);
}

pmemfile_uid_t pmemfile_getuid(PMEMfilepool *pool) {
    return pool->credentials.uid;
}

pmemfile_gid_t pmemfile_getgid(PMEMfilepool *pool) {
    return pool->credentials.gid;
}

pmemfile_uid_t pmemfile_geteuid(PMEMfilepool *pool) {
    return pool->credentials.euid;
}

pmemfile_gid_t pmemfile_getegid(PMEMfilepool *pool) {
    return pool->credentials.egid;
}

int pmemfile_getgroups(PMEMfilepool *pool, int size, pmemfile_gid_t list[]) {
    const auto count = static_cast<int>(pool->credentials.group_count);
    if (size == 0)
        return count;
    if (size < count)
        return api::fail(EINVAL);
    std::memcpy(list, pool->credentials.groups, pool->credentials.group_count * sizeof(*list));
    return count;
}

int pmemfile_setgroups(PMEMfilepool *pool, size_t count, const pmemfile_gid_t *groups) {
    if (count > max_groups_of_user)
        return api::fail(EINVAL);
    if (count > 0)
        std::memcpy(pool->credentials.groups, groups, count * sizeof(*groups));
    pool->credentials.group_count = static_cast<unsigned>(count);
    return 0;
}
