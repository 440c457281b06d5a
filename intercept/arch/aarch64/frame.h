/* frame: offsets that the assembler entry and the C++ side share.
 *
 * One file for both languages, so that they can not disagree; site_record.h
 * asserts each offset. */
#pragma once

#include "intercept/plan/site_flags.h"

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
/* behind struct intercept_call: the app's registers, x0..x5 first */
#define FRAME_SAVED 80
#define FRAME_MASK 128
#define FRAME_ACTION 136
#define FRAME_X6 144 /* x6..x15, two by two */
#define FRAME_X18 224
#define FRAME_FLAGS 232
#define FRAME_X29 240 /* and x30: a frame record */
#define FRAME_BYTES 256

#define RECORD_ADDRESS 0
#define RECORD_ENTRY 8
#define RECORD_POST_ENTRY 16
#define RECORD_PASS 24
#define RECORD_ANSWERED 32
#define RECORD_PROCESS 40
#define RECORD_FLAGS 48

/* Of a byte of intercept_table: the hooks; the bit above them is words_bit. */
#define SLOTS_MASK 0x7f

/* What intercept_dispatch_hook tells the entry to do. */
#define ACTION_HANDLED 0
#define ACTION_PASS 1
#define ACTION_EXECUTE 2
#define ACTION_EXECUTE_POST 3
#define ACTION_PROCESS 4 /* from here on */
