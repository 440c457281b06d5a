/* frame: offsets that the assembler entry and the C++ side share.
 *
 * One file for both languages, so that they can not disagree; site_record.h
 * asserts each offset. */
#pragma once

#include "intercept/arch/call_frame.h"
#include "intercept/plan/site_flags.h"

#define FRAME_X6 FRAME_REST /* x6..x15, two by two */
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
