/* call_frame: what the frames of all processors begin with, for the assembler entry and
 * the C++ side, so that they can not disagree. arch/<processor>/frame.h has the rest. */
#pragma once

#define FRAME_NR 0
#define FRAME_ARG0 8
#define FRAME_ARG1 16
#define FRAME_ARG2 24
#define FRAME_ARG3 32
#define FRAME_ARG4 40
#define FRAME_ARG5 48
#define FRAME_RESULT 56
#define FRAME_SITE 64
#define FRAME_OPAQUE 72
/* behind struct intercept_call: the app's argument registers, in the order of args */
#define FRAME_SAVED 80
#define FRAME_MASK 128
#define FRAME_ACTION 136
#define FRAME_REST 144

/* Of a byte of intercept_table: the hooks; the bit above them is words_bit. */
#define SLOTS_MASK 0x7f

/* INTERCEPT_PASS_POST. */
#define ANSWER_PASS_POST 2

/* What intercept_dispatch_hook tells the entry to do. */
#define ACTION_HANDLED 0
#define ACTION_PASS 1
#define ACTION_EXECUTE 2
#define ACTION_EXECUTE_POST 3
#define ACTION_PROCESS 4 /* ACTION_PROCESS + index of the kind */

#ifndef __ASSEMBLER__
#include "intercept/include/pmemfile-intercept.h"

static_assert(INTERCEPT_PASS_POST == ANSWER_PASS_POST);
static_assert(offsetof(intercept_call, nr) == FRAME_NR);
static_assert(offsetof(intercept_call, args) == FRAME_ARG0);
static_assert(offsetof(intercept_call, result) == FRAME_RESULT);
static_assert(offsetof(intercept_call, site) == FRAME_SITE);
static_assert(offsetof(intercept_call, opaque) == FRAME_OPAQUE);
static_assert(sizeof(intercept_call) == FRAME_SAVED);
#endif
