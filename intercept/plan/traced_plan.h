// traced_plan: the plan of an object in a process that a debugger holds. Its breakpoints
// stand in the text: they may hide a branch into a window, or make another instruction of
// one. So the plan is made of what the file holds.
#pragma once

#include "intercept/arch/architecture.h"
#include "intercept/objects/object.h"
#include "intercept/plan/plan.h"

namespace intercept {

// Is there a debugger, or the like of one? When in doubt, no. The kernel is asked when somebody first wants to know:
// with plans that are kept nobody does.
class Tracer {
public:
    bool is_there();

private:
    bool asked_ = false;
    bool is_there_ = false;
};

// Like plan_object. `of_file`: it is the plan of the file, good for other processes; otherwise no site may
// be patched. False: no memory.
bool plan_traced_object(const Object &object, const Architecture &architecture, Plan &out, bool &of_file);

// Leaves alone the sites whose windows are not in memory what they are in the file.
void leave_changed_sites(const Object &object, Plan &plan);

} // namespace intercept
