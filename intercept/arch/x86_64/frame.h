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
#define RECORD_FLAGS 8
#define RECORD_ENTRY 16
#define RECORD_POST_ENTRY 24
#define RECORD_KIND_TARGET 32
/* Of RECORD_FLAGS: no call of this site makes a process. In the place of the post entry stands
 * intercept_entry_words, and nothing behind it. */
#define RECORD_IS_SHORT 0x100
#define RECORD_WORDS_ENTRY RECORD_POST_ENTRY
/* Its third and fourth byte: in the stub, from behind the call of intercept_entry_words to behind that of the
 * other entry. */
#define RECORD_SERVED_SHIFT 16
#define RECORD_SERVED 10

#define VECTOR_NONE 0
#define VECTOR_SSE 1
#define VECTOR_AVX 2
#define VECTOR_AVX512F 3
#define VECTOR_AVX512BW 4
