/* frame: offsets that the assembler entry and the C++ side share.
 *
 * One file for both languages, so that they can not disagree; site_record.h
 * asserts each offset. */
#pragma once

#include "intercept/arch/call_frame.h"
#include "intercept/plan/site_flags.h"

#define FRAME_RBP FRAME_REST
#define FRAME_FLAGS 152
#define FRAME_BYTES 160

#define RECORD_ADDRESS 0
#define RECORD_ENTRY 8
#define RECORD_POST_ENTRY 16
#define RECORD_KIND_TARGET 24
#define RECORD_FLAGS 56

#define VECTOR_NONE 0
#define VECTOR_SSE 1
#define VECTOR_AVX 2
#define VECTOR_AVX512F 3
#define VECTOR_AVX512BW 4
