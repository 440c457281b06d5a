// address_space: RLIMIT_AS as the program means it.
//
// A pool lies whole in the process's address space, but to the program it is a filesystem, which takes none. So the
// kernel's limit is the program's and what we take:
//
//   program's limit │ setrlimit + taken ──► kernel's limit, inherited by children, who take the same
//                   │ getrlimit - taken ◄──
#pragma once

#include <cstdint>
#include <sys/resource.h>

namespace shim {

// For the time in which pools are mapped: as much address space as the process may have.
class AddressSpaceLift {
public:
    AddressSpaceLift();
    ~AddressSpaceLift(); // puts the limit back
    AddressSpaceLift(const AddressSpaceLift &) = delete;
    AddressSpaceLift &operator=(const AddressSpaceLift &) = delete;
    // The mounts are made. `inherited_bytes`: the share that the process whose limit we have had added to it.
    void mounted(uint64_t inherited_bytes);

private:
    struct rlimit limit_ = {RLIM_INFINITY, RLIM_INFINITY}; // to be put back
    bool is_lifted_ = false;
};

// For the time of an exec of a program that will not see these pools: its soft limit is the program's own.
class AddressSpaceReturn {
public:
    explicit AddressSpaceReturn(bool sees_pools);
    ~AddressSpaceReturn(); // the exec has failed
    AddressSpaceReturn(const AddressSpaceReturn &) = delete;
    AddressSpaceReturn &operator=(const AddressSpaceReturn &) = delete;

private:
    struct rlimit limit_ = {RLIM_INFINITY, RLIM_INFINITY};
};

// What the pools and we take, in all.
uint64_t address_space_taken_bytes();
// Is there a limit that has not been lifted?
bool address_space_is_limited();
// The kernel's limit for the program's and the other way round; RLIM_INFINITY stays.
struct rlimit address_space_limit_of_kernel(const struct rlimit &program);
struct rlimit address_space_limit_of_program(const struct rlimit &kernel);

} // namespace shim
