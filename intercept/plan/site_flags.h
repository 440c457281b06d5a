/* site_flags: what the planner found out about a site beside its window. For C++
 * and the assembler. */
#pragma once

#define SITE_VECTOR_DEAD 1    /* nobody needs vector, mask or x87 state kept */
#define SITE_FLAGS_DEAD 2     /* nobody reads the arithmetic flags as they are now */
#define SITE_ARGUMENTS_DEAD 8 /* nor the argument registers, after the call */
#define SITE_LOADER 16        /* of the dynamic loader: objects come and go by it */
